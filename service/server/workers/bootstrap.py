"""The start of each frontend and engine process: channel, settings, log, and errors that prevent the start."""

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from service.heap import use_one_heap
from service.repository.registry import RepositoryChanged, RepositoryError
from service.repository.served_versions import ServedVersions
from service.server.workers.control_channel import CHANGED, FATAL, read_memfd, receive_start
from service.settings import Settings
from service.telemetry import log

_MAX_REASON_BYTES = 60_000


@dataclass(frozen=True)
class WorkerConfig:
    """The first message of the main process: settings, number of this process within its kind, number of processes.

    served: the versions it has to load, if other processes have loaded them.
    """

    settings: Settings
    number: int
    frontends: int
    engines: int
    served: ServedVersions | None = None


def run_worker(kind: str, descriptor: int, main: Callable[[WorkerConfig, socket.socket], int]) -> int:
    """Run a frontend or an engine process and return its exit status.

    A repository that cannot be served is reported to the main process, which logs one line for all processes.
    """
    use_one_heap()
    end = socket.socket(fileno=descriptor)
    end.set_inheritable(False)
    try:
        start = _start(*receive_start(end))
        log.configure(start.settings.log_level, f"{kind} {start.number}")
        return main(start, end)
    except RepositoryChanged as error:
        end.send(CHANGED + reason(error))
        return 2
    except RepositoryError as error:
        end.send(FATAL + reason(error))
        return 2
    except EOFError:
        return 1


def reason(error: Exception | str) -> bytes:
    """Return the message of an error, as much of it as fits into a message to the main process."""
    return str(error).encode(errors="backslashreplace")[:_MAX_REASON_BYTES]


def _start(told: dict[str, Any], descriptors: Sequence[int]) -> WorkerConfig:
    settings = Settings.model_validate(told["settings"])
    served = ServedVersions.from_json(read_memfd(descriptors[0])) if told["served"] else None
    return WorkerConfig(settings, told["number"], told["frontends"], told["engines"], served)
