"""The main process as seen by a frontend or an engine process: configuration, messages, metrics, start errors."""

import asyncio
import itertools
import json
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from service.errors import NotReady
from service.heap import use_one_heap
from service.repository.state import RepositoryState
from service.server.workers import control_channel
from service.server.workers.control_channel import ControlChannel, Message, read_memfd, to_memfd
from service.settings import Settings
from service.telemetry import log
from service.telemetry.aggregation import collect_snapshot, render
from service.telemetry.metrics import Metrics

_SCRAPE_TIMEOUT_S = 3.0
"""Time to wait for the metrics of all processes."""


@dataclass(frozen=True)
class WorkerConfig:
    """The configuration of a process: settings, number of this process within its kind, number of processes.

    state: what it has to prepare first. keys: text of the key file when it was valid last; None without keys.
    rate_table: descriptor of what the frontends count for the limits of clients; None without limits.
    """

    settings: Settings
    number: int
    frontends: int
    engines: int
    state: RepositoryState
    keys: str | None = None
    rate_table: int | None = None

    @classmethod
    def from_json(cls, text: bytes) -> "WorkerConfig":
        """Read what ManagedProcess.launch has written."""
        read = json.loads(text)
        state = RepositoryState.from_json(read["state"])
        settings = Settings.model_validate(read["settings"])
        shared = read.get("keys"), read.get("rate_table")
        return cls(settings, read["number"], read["frontends"], read["engines"], state, *shared)


class MainProcess:
    """The connection to the main process, open after `connect`. Answers heartbeats and requests for metrics."""

    def __init__(self, end: socket.socket, metrics: Metrics) -> None:
        self._end, self._metrics = end, metrics
        self._channel: ControlChannel | None = None
        self._scrapes: dict[int, asyncio.Future[bytes]] = {}
        self._numbers = itertools.count()

    def connect(self, on_message: Message, on_end: Callable[[], None]) -> None:
        """Read messages from now on. Call it inside the event loop.

        on_message: called with every other message. on_end: called when the main process has ended.
        """

        def receive(kind: bytes, text: bytes, descriptors: Sequence[int]) -> None:
            match kind:
                case control_channel.PING:
                    self.send(control_channel.PING)
                case control_channel.SNAPSHOT:
                    self.send(control_channel.SNAPSHOT, text, collect_snapshot(self._metrics.registry))
                case control_channel.SCRAPE:
                    snapshot, reply = read_memfd(descriptors[0]), self._scrapes.get(int(text))
                    if reply is not None and not reply.done():
                        reply.set_result(snapshot)
                case _:
                    on_message(kind, text, descriptors)

        self._channel = ControlChannel(self._end, receive, on_end)

    def send(self, kind: bytes, text: bytes = b"", content: bytes | None = None) -> None:
        """Send a message, unless the main process has ended. content: sent as a file, because it may be long."""
        if self._channel is not None:
            self._channel.send(kind, text, [to_memfd(content)] if content is not None else [])

    def send_prepared(self, number: int, failures: Mapping[str, str]) -> None:
        """Send that a state is prepared. failures: why versions cannot be served, by name."""
        self.send(control_channel.PREPARED, str(number).encode(), json.dumps(dict(failures)).encode())

    async def scrape(self) -> bytes:
        """Return the metrics of all processes in Prometheus's text format. Raises NotReady."""
        number = next(self._numbers)
        reply = self._scrapes[number] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(_SCRAPE_TIMEOUT_S):
                self.send(control_channel.SCRAPE, str(number).encode())
                return render(await reply)
        except TimeoutError:
            raise NotReady("the metrics of the other processes did not arrive; ask again") from None
        finally:
            del self._scrapes[number]


def run_worker(kind: str, main: Callable[[WorkerConfig, socket.socket], int]) -> int:
    """Run a frontend or an engine process and return its exit status.

    Its argument is the descriptor of its channel to the main process, its standard input holds its configuration.
    """
    use_one_heap()
    end = socket.socket(fileno=int(sys.argv[1]))
    end.set_inheritable(False)
    config = WorkerConfig.from_json(sys.stdin.buffer.read())
    level, log_format = config.settings.log_level, config.settings.log_format
    log.configure(level, f"{kind} {config.number}", log_format=log_format, first=config.number == 0)
    return main(config, end)
