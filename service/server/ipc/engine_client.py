"""The frontend's side of a connection to an engine process: sends entries, receives replies and reports."""

import asyncio
import json
import logging
import socket
from collections.abc import Callable
from typing import Any

from service import errors
from service.server.ipc.dispatcher import Carrier, EngineDispatcher, Entry
from service.server.ipc.pixel_slots import PixelSlots
from service.server.ipc.protocol import HELLO, REQUEST, RESPONSE, SHAPE, FrameDecoder, Kind, ResponseHeader
from service.types import Priority

logger = logging.getLogger(__name__)

Report = dict[str, Any]
"""The report on one version in one engine process; see engine_process.report_of."""


class EngineConnection(Carrier, asyncio.Protocol):
    """A connection to one engine process, until one of the two processes ends."""

    def __init__(self, dispatch: EngineDispatcher, hear: Callable[["EngineConnection", Report], None]) -> None:
        super().__init__()
        self._dispatch, self._hear = dispatch, hear
        self._pieces = FrameDecoder(RESPONSE)
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.WriteTransport) -> None:  # type: ignore[override]
        self._transport = transport
        self._dispatch.add(self)

    def data_received(self, data: bytes) -> None:
        for head, behind in self._pieces.feed(data):
            reply = ResponseHeader(*head)
            match reply.kind:
                case Kind.ANSWER:
                    self._dispatch.replied(self, reply.number, (reply, behind))
                case Kind.PROBLEM:
                    self._dispatch.replied(self, reply.number, error_from_json(json.loads(behind)))
                case Kind.REPORT:
                    self._hear(self, json.loads(behind))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self.held:
            logger.warning("an engine process has ended; its %d images are run again", len(self.held))
        self._dispatch.lost(self)

    def carry(self, entry: Entry) -> None:
        model = self.models[entry.version]
        if entry.image is None:
            assert entry.slot is not None
            self._write(Kind.CLASSIFY, entry, model, entry.slot)
        else:
            self._write(Kind.DENSE, entry, model, 0, SHAPE.pack(*entry.image.shape) + entry.image.tobytes())

    def forget(self, entry: Entry) -> None:
        self._write(Kind.FORGET, entry, 0, 0)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _write(self, kind: Kind, entry: Entry, model: int, slot: int, behind: bytes = b"") -> None:
        if self._transport is not None:
            priority = list(Priority).index(entry.priority)
            head = REQUEST.pack(kind, entry.class_map, model, slot, entry.number, entry.deadline, priority, len(behind))
            self._transport.write(head + behind)


async def attach(end: socket.socket, slots: PixelSlots, link: EngineConnection) -> None:
    """Send the engine process the descriptor of the slots, then start the connection.

    An engine process that has ended meanwhile is not an error.
    """
    try:
        socket.send_fds(end, [HELLO.pack(slots.count, slots.size)], [slots.descriptor])
        end.setblocking(False)
        await asyncio.get_running_loop().create_unix_connection(lambda: link, sock=end)
    except OSError:
        end.close()


def error_to_json(error: errors.ServiceError) -> dict[str, Any]:
    """Return an error as JSON for `error_from_json` in the other process."""
    retry_after_s = getattr(error, "retry_after_s", None)
    return {"error": type(error).__name__, "detail": error.detail, "retry_after_s": retry_after_s}


def error_from_json(problem: dict[str, Any]) -> errors.ServiceError:
    """Return the error. Raises AttributeError for a name that is not an error class."""
    kind: type[errors.ServiceError] = getattr(errors, problem["error"])
    if issubclass(kind, errors.Unavailable):
        return kind(problem["detail"], problem["retry_after_s"])
    return kind(problem["detail"])
