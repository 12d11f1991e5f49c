"""A place in the service that one process at a time holds: started, and started again when it has died."""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from service.repository.served_versions import ServedVersions
from service.server.workers.control_channel import START, ControlChannel, close_all, pair, to_memfd

_QUICK_S = 10.0
"""A process that lives longer has started well, whatever ends it."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0
_REFUSED_PAUSE_S = 10.0
"""Until a process is tried again that could not load what the others serve: the folder may have been put right."""
MAX_QUICK_DEATHS = 6


@dataclass
class ManagedProcess:
    """`frontend 1`, say: the process in it, the channel to it, how often it has died, and whether it answers.

    refused: why it may not serve with the others; empty when it may.
    """

    kind: str
    number: int
    module: str
    start: Mapping[str, Any]
    environment: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    channel: ControlChannel | None = None
    up: bool = False
    ready: bool = False
    missed_heartbeats: int = 0
    open_connections: int = 0
    refused: str = ""
    handed_over: int = 0
    restarts: int = 0
    status: int = 0
    _started_at: float = 0.0
    _quick_deaths: int = 0

    @property
    def name(self) -> str:
        return f"{self.kind} {self.number}"

    @property
    def hangs(self) -> bool:
        """Whether it let a beat pass without an answer; see pulse.py."""
        return self.missed_heartbeats > 1

    @property
    def restart_limit_reached(self) -> bool:
        """Whether starting it once more is not worth it."""
        return self._quick_deaths >= MAX_QUICK_DEATHS

    def launch(
        self,
        hear: Callable[["ManagedProcess", bytes, bytes, Sequence[int]], None],
        served: ServedVersions | None = None,
    ) -> None:
        """Start a process, and listen to it.

        served: what it has to load, if other processes have loaded something.
        """
        ours, theirs = pair()
        with theirs:
            self.process = _launched(self.module, theirs, self.environment)
        self._started_at = asyncio.get_running_loop().time()
        self.channel = ControlChannel(ours, lambda *message: hear(self, *message), lambda: None)
        start = {**self.start, "served": served is not None}
        file = [to_memfd(served.to_json())] if served is not None else []
        self.channel.send(START, json.dumps(start).encode(), file)

    def ended(self, status: int) -> float:
        """The process has; the seconds until another should be started."""
        lived_s = asyncio.get_running_loop().time() - self._started_at
        assert self.channel is not None
        self.channel.close()
        self.status = status if self.up or status > 0 else 0
        self.process = self.channel = None
        self.up = self.ready = False
        self.missed_heartbeats = 0
        self.open_connections = 0
        if self.refused:
            return _REFUSED_PAUSE_S
        self._quick_deaths = self._quick_deaths + 1 if lived_s < _QUICK_S else 0
        return float(min(_FIRST_PAUSE_S * 2 ** max(0, self._quick_deaths - 1), _LONGEST_PAUSE_S))

    def tell(self, kind: bytes, text: bytes = b"", descriptors: Sequence[int] = ()) -> None:
        """Nothing, while the place is empty."""
        if self.channel is None:
            close_all(descriptors)
        else:
            self.channel.send(kind, text, descriptors)

    def signal(self, number: int) -> None:
        """Not by Popen, which would wait for a process that has just ended, and then nobody hears of its end."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, number)


def _launched(module: str, end: socket.socket, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """A fresh interpreter, not a fork: the libraries inside have threads, and a device wants its own process."""
    return subprocess.Popen(  # noqa: S603
        [sys.executable, "-P", "-m", module, str(end.fileno())],
        stdin=subprocess.DEVNULL,
        pass_fds=[end.fileno()],
        start_new_session=True,  # Ctrl-C in a terminal is for the supervisor, which forwards it
        env={**os.environ, **environment},
    )
