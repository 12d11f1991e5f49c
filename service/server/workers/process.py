"""A process of the service that the main process starts, and starts again when it has died."""

import asyncio
import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from service.repository.state import RepositoryState
from service.server.workers.control_channel import PING, ControlChannel, close_all, pair, to_memfd

logger = logging.getLogger(__name__)

_QUICK_S = 10.0
"""Seconds after which the start of a process counts as successful, whatever ends it later."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0
"""Seconds until a dead process is started again; doubled after each death soon after the start."""
_REFUSED_PAUSE_S = 10.0
"""Seconds until a process that could not load what the others serve is started again.

The folder may be repaired by then.
"""
MAX_QUICK_DEATHS = 6
"""Deaths soon after the start, in a row, after which the service gives up."""
MAX_MISSED_HEARTBEATS = 5
"""Unanswered heartbeats in a row after which a process is killed that had a core meanwhile.

They are counted and not timed: while a container is paused, for example, none is sent.
"""


@dataclass
class ManagedProcess:
    """One process of the plan, for example `frontend 1`: the running process, its channel, its restarts and its state.

    config: see WorkerConfig. leaving: whether it takes no more connections, because it is about to end. refused: the
    reason why it may not serve with the others; empty if it may. given, prepared, committed: number of the
    RepositoryState that was sent to it last, of the one that it has prepared, and of the one that it was told to
    commit.
    """

    kind: str
    number: int
    module: str
    config: Mapping[str, Any]
    environment: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    channel: ControlChannel | None = None
    up: bool = False
    ready: bool = False
    leaving: bool = False
    missed_heartbeats: int = 0
    _silent_s: float = 0.0
    _on_core_s: float = 0.0
    _killed: bool = False
    open_connections: int = 0
    refused: str = ""
    given: int = 0
    prepared: int = 0
    committed: int = 0
    connections_passed: int = 0
    restarts: int = 0
    status: int = 0
    _started_at: float = 0.0
    quick_deaths: int = 0

    @property
    def name(self) -> str:
        return f"{self.kind} {self.number}"

    def launch(
        self,
        on_message: Callable[["ManagedProcess", bytes, bytes, Sequence[int]], None],
        on_undelivered: Callable[["ManagedProcess", bytes, Sequence[int]], None],
        state: RepositoryState,
        keys: str | None = None,
        rate_table: int | None = None,
    ) -> None:
        """Start a process and read its messages.

        A new interpreter, not a fork: the libraries have threads, and a CUDA device needs a process of its own.
        on_message: called with each message. on_undelivered: called with kind and descriptors of a message that could
        not be sent. state: what it has to prepare first. keys: text of the key file when it was valid last.
        rate_table: descriptor of the table of `shared_table`, which the process inherits.
        """
        config = {**self.config, "state": state.to_json().decode(), "keys": keys, "rate_table": rate_table}
        self.given = state.number
        ours, theirs = pair()
        with theirs, open(to_memfd(json.dumps(config).encode()), "rb") as file:
            self.process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-P", "-m", self.module, str(theirs.fileno())],
                stdin=file,
                pass_fds=[theirs.fileno(), *([] if rate_table is None else [rate_table])],
                start_new_session=True,  # Ctrl-C in a terminal reaches the main process, which forwards it
                env={**os.environ, **self.environment},
            )
        self._started_at = asyncio.get_running_loop().time()
        self.channel = ControlChannel(
            ours,
            lambda *message: on_message(self, *message),
            lambda: None,
            lambda *message: on_undelivered(self, *message),
        )

    def ended(self, status: int) -> float:
        """Record the end of the process, and return the seconds until it should be started again."""
        lived_s = asyncio.get_running_loop().time() - self._started_at
        assert self.channel is not None
        self.status = status if self.up or status > 0 else 0
        # before the channel is closed: what it has not delivered goes elsewhere
        self.up = self.ready = self.leaving = False
        self.channel.close()
        self.process = self.channel = None
        self.missed_heartbeats = 0
        self._killed = False
        self.open_connections = 0
        self.given = self.prepared = self.committed = 0
        if self.refused:
            return _REFUSED_PAUSE_S
        self.quick_deaths = self.quick_deaths + 1 if lived_s < _QUICK_S else 0
        return float(min(_FIRST_PAUSE_S * 2 ** max(0, self.quick_deaths - 1), _LONGEST_PAUSE_S))

    def send(self, kind: bytes, text: bytes = b"", descriptors: Sequence[int] = ()) -> None:
        """Send a message. Does nothing while no process runs."""
        if self.channel is None:
            close_all(descriptors)
        else:
            self.channel.send(kind, text, descriptors)

    def send_file(self, kind: bytes, content: bytes) -> None:
        """Send a message with a file of any size. Does nothing while no process runs."""
        if self.channel is not None:
            self.channel.send(kind, b"", [to_memfd(content)])

    def check_heartbeat(self, limit_s: float) -> None:
        """Send a heartbeat, or kill a process that has not answered for `limit_s`.

        Has to be called every `limit_s` / MAX_MISSED_HEARTBEATS. A process that is loading its models gets none,
        because library calls may block for any time. While a process is ready to run, only its time on a core counts:
        on a machine that is too busy it is slow, and another one in its place would be slower.
        """
        if not self.ready or self.process is None:
            return
        step_s, (is_runnable, on_core_s) = limit_s / MAX_MISSED_HEARTBEATS, _main_thread(self.process.pid)
        if self.missed_heartbeats:
            self._silent_s += min(step_s, on_core_s - self._on_core_s) if is_runnable else step_s
        else:
            self._silent_s = 0.0
        self._on_core_s = on_core_s
        if self._silent_s <= limit_s - step_s / 2:
            self.send(PING)
        elif not self._killed:
            logger.error("%s has not answered for %g s and is killed", self.name, limit_s)
            self.signal(signal.SIGKILL)
            self._killed = True
        self.missed_heartbeats += 1

    def signal(self, number: int) -> None:
        """Send a signal.

        Does not use Popen.send_signal: it would reap a process that has just ended, and `Supervisor._reap` would not
        see its end.
        """
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, number)


def _main_thread(pid: int) -> tuple[bool, float]:
    """Return whether the main thread of a process runs or is ready to, and its seconds on a core.

    It is the thread that answers heartbeats. Returns False and 0 on a system that does not tell.
    """
    try:
        fields = Path(f"/proc/{pid}/task/{pid}/stat").read_text().rpartition(")")[2].split()
        return fields[0] == "R", (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError, ValueError):
        return False, 0.0
