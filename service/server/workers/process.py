"""A process of the service that the main process starts, and starts again when it has died."""

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
"""Seconds after which the start of a process counts as successful, whatever ends it later."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0
"""Seconds until a dead process is started again; doubled after each death soon after the start."""
_REFUSED_PAUSE_S = 10.0
"""Seconds until a process that could not load what the others serve is started again.

The folder may be repaired by then.
"""
MAX_QUICK_DEATHS = 6
"""Deaths soon after the start, in a row, after which the service gives up."""


@dataclass
class ManagedProcess:
    """One process of the plan, for example `frontend 1`: the running process, its channel, its restarts and its state.

    refused: the reason why it may not serve with the others; empty if it may.
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
    def unresponsive(self) -> bool:
        """Whether the process has left a heartbeat unanswered; see heartbeat.py."""
        return self.missed_heartbeats > 1

    @property
    def restart_limit_reached(self) -> bool:
        """Whether the process has died too often right after its start."""
        return self._quick_deaths >= MAX_QUICK_DEATHS

    def launch(
        self,
        hear: Callable[["ManagedProcess", bytes, bytes, Sequence[int]], None],
        take_back: Callable[["ManagedProcess", bytes, Sequence[int]], None],
        served: ServedVersions | None = None,
    ) -> None:
        """Start a process and read its messages.

        hear: called with each message. take_back: called with kind and descriptors of a message that could not be sent.
        served: the versions it has to load, if other processes have loaded some.
        """
        ours, theirs = pair()
        with theirs:
            self.process = _launched(self.module, theirs, self.environment)
        self._started_at = asyncio.get_running_loop().time()
        self.channel = ControlChannel(
            ours,
            lambda *message: hear(self, *message),
            lambda: None,
            lambda kind, descriptors: take_back(self, kind, descriptors),
        )
        start = {**self.start, "served": served is not None}
        file = [to_memfd(served.to_json())] if served is not None else []
        self.channel.send(START, json.dumps(start).encode(), file)

    def ended(self, status: int) -> float:
        """Record the end of the process, and return the seconds until it should be started again."""
        lived_s = asyncio.get_running_loop().time() - self._started_at
        assert self.channel is not None
        self.status = status if self.up or status > 0 else 0
        self.up = self.ready = False  # before the channel is closed: what it has not delivered goes elsewhere
        self.channel.close()
        self.process = self.channel = None
        self.missed_heartbeats = 0
        self.open_connections = 0
        if self.refused:
            return _REFUSED_PAUSE_S
        self._quick_deaths = self._quick_deaths + 1 if lived_s < _QUICK_S else 0
        return float(min(_FIRST_PAUSE_S * 2 ** max(0, self._quick_deaths - 1), _LONGEST_PAUSE_S))

    def tell(self, kind: bytes, text: bytes = b"", descriptors: Sequence[int] = ()) -> None:
        """Send a message. Does nothing while no process runs."""
        if self.channel is None:
            close_all(descriptors)
        else:
            self.channel.send(kind, text, descriptors)

    def signal(self, number: int) -> None:
        """Send a signal.

        Does not use Popen.send_signal: it would reap a process that has just ended, and `_reap` would not see its end.
        """
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, number)


def _launched(module: str, end: socket.socket, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a new interpreter, not a fork: the libraries have threads, and a CUDA device needs a process of its own."""
    return subprocess.Popen(  # noqa: S603
        [sys.executable, "-P", "-m", module, str(end.fileno())],
        stdin=subprocess.DEVNULL,
        pass_fds=[end.fileno()],
        start_new_session=True,  # Ctrl-C in a terminal reaches the main process, which forwards it
        env={**os.environ, **environment},
    )
