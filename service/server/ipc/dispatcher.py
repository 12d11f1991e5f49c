"""Dispatches a frontend's images to the engine processes, and sends them again when an engine process dies."""

import asyncio
import itertools
import json
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass, field

from models.contract import Pixels
from service.errors import EngineFailure, NotReady, ServiceError
from service.server.ipc.pixel_slots import PixelSlots
from service.server.ipc.protocol import (
    HELLO,
    REQUEST,
    RESPONSE,
    SHAPE,
    Kind,
    Report,
    ResponseHeader,
    error_from_json,
    frames,
)
from service.types import UNKNOWN_CLIENT, Priority

logger = logging.getLogger(__name__)

MAX_TRIES = 3
"""Engine processes that may die with an image before it fails; the image may be the cause."""
_ENDING = "the service is shutting down, or the version retires; send the request again"

IpcReply = tuple[ResponseHeader, bytes]
"""The header of a reply, and the bytes that follow it."""


@dataclass(slots=True)
class RemoteImage:
    """One image on its way to an engine process.

    pixels: None once they are in a slot; an image that is larger than a slot, or whose size differs from the model's
    (dense), is sent without one.
    result: done when the client no longer waits, too.
    """

    version: str
    pixels: Pixels | None
    dense: bool = False
    class_map: bool = False
    priority: Priority = Priority.INTERACTIVE
    client: int = UNKNOWN_CLIENT
    number: int = 0
    slot: int | None = None
    tries: int = 0
    result: asyncio.Future[IpcReply] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class EngineConnection:
    """The connection to one engine process, and the images that are with it."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self.held: dict[int, RemoteImage] = {}
        self.models: dict[str, int] = {}
        """By version, the number that the engine process uses for it."""

    def send(self, image: RemoteImage) -> None:
        if image.slot is not None:
            self._write(Kind.CLASSIFY, image, image.slot)
        elif image.pixels is not None:
            kind = Kind.DENSE if image.dense else Kind.CLASSIFY
            self._write(kind, image, 0, SHAPE.pack(*image.pixels.shape) + image.pixels.tobytes())

    def cancel(self, image: RemoteImage) -> None:
        self._write(Kind.CANCEL, image, 0)

    def _write(self, kind: Kind, image: RemoteImage, slot: int, data: bytes = b"") -> None:
        model, priority = self.models[image.version], list(Priority).index(image.priority)
        head = REQUEST.pack(kind, image.class_map, model, slot, image.number, priority, image.client, len(data))
        if not self._writer.is_closing():
            self._writer.write(head + data)


class EngineDispatcher:
    """Sends each image to the engine process with the fewest of this frontend's, and to another one if that dies."""

    def __init__(self, slots: PixelSlots, changed: Callable[[bool], None] = lambda _served: None) -> None:
        """Create a dispatcher without engines.

        changed: called with whether any engine process serves a model, whenever that may have changed.
        """
        self.slots = slots
        self._changed = changed
        self._connections: list[EngineConnection] = []
        self._waiting: dict[int, RemoteImage] = {}
        self._numbers = itertools.count(1)
        self._closed = set[str]()

    async def submit(self, image: RemoteImage) -> IpcReply:
        """Return the reply for one image. Cancelling this coroutine also cancels the work in the engine process.

        Raises QueueFull, NotReady, EngineFailure.
        """
        if image.version in self._closed:
            raise NotReady(_ENDING)
        image.number = next(self._numbers)
        if not image.dense and image.pixels is not None and image.pixels.size <= self.slots.size:
            image.slot, image.pixels = self.slots.take(image.pixels), None
        self._send(image)
        try:
            return await image.result
        finally:
            self._cancel(image)

    async def connect(self, end: socket.socket, on_report: Callable[[Report], None]) -> None:
        """Send images to the engine process at the other end of a socket, until it ends.

        on_report: called with each version that the engine process has loaded, rejected or retired.
        """
        try:
            socket.send_fds(end, [HELLO.pack(self.slots.count, self.slots.size)], [self.slots.descriptor])
            reader, writer = await asyncio.open_unix_connection(sock=end)
        except OSError:  # it has ended meanwhile
            end.close()
            return
        connection = EngineConnection(writer)
        self.add(connection)
        try:
            async for head, data in frames(reader, RESPONSE):
                reply = ResponseHeader(*head)
                match reply.kind:
                    case Kind.ANSWER:
                        self.replied(connection, reply.number, (reply, data))
                    case Kind.PROBLEM:
                        self.replied(connection, reply.number, error_from_json(json.loads(data)))
                    case Kind.REPORT:
                        report = json.loads(data)
                        on_report(report)
                        if report["state"] == "ready":
                            self.serves(connection, report["version"], report["model"])
                        else:
                            connection.models.pop(report["version"], None)
        finally:
            writer.close()
            if connection.held:
                logger.warning("an engine process has ended; its %d images are run again", len(connection.held))
            self.lost(connection)

    def add(self, connection: EngineConnection) -> None:
        self._connections.append(connection)

    def serves(self, connection: EngineConnection, version: str, model: int) -> None:
        """Record that an engine process serves a version, and send it the images that wait for that version."""
        connection.models[version] = model
        self._closed.discard(version)
        self._changed(True)
        for image in [image for image in self._waiting.values() if image.version == version]:
            del self._waiting[image.number]
            self._send(image)

    def replied(self, connection: EngineConnection, number: int, outcome: IpcReply | ServiceError) -> None:
        image = connection.held.pop(number, None)
        if image is not None:
            self._end(image, outcome)

    def lost(self, connection: EngineConnection) -> None:
        """Send the images of a lost engine process to others, or keep them until one is available."""
        self._connections.remove(connection)
        self._changed(any(other.models for other in self._connections))
        for image in connection.held.values():
            if image.result.done():
                self._end(image, None)
            elif image.tries >= MAX_TRIES:
                self._end(image, EngineFailure("engine processes died with this image; it is not tried again"))
            else:
                self._send(image)

    def close(self, version: str) -> None:
        """Fail the images of a version that wait, and reject new ones until an engine process serves it again."""
        self._closed.add(version)
        for image in [image for image in self._waiting.values() if image.version == version]:
            del self._waiting[image.number]
            self._end(image, NotReady(_ENDING))

    def forget(self, version: str) -> None:
        """Keep nothing about a version that is no longer served."""
        self._closed.discard(version)

    def _send(self, image: RemoteImage) -> None:
        able = (connection for connection in self._connections if image.version in connection.models)
        chosen = min(able, key=lambda connection: len(connection.held), default=None)
        if chosen is None:
            self._waiting[image.number] = image
            return
        image.tries += 1
        chosen.held[image.number] = image
        chosen.send(image)

    def _cancel(self, image: RemoteImage) -> None:
        """Tell the engine process that the image is no longer needed, unless it was answered.

        Its slot stays in use until the engine process has replied that it no longer reads the slot.
        """
        image.result.cancel()
        if self._waiting.pop(image.number, None) is not None:
            self._end(image, None)
        for connection in self._connections:
            if image.number in connection.held:
                connection.cancel(image)

    def _end(self, image: RemoteImage, outcome: IpcReply | ServiceError | None) -> None:
        if image.slot is not None:
            self.slots.give_back(image.slot)
        if image.result.done() or outcome is None:
            return
        if isinstance(outcome, ServiceError):
            image.result.set_exception(outcome)
        else:
            image.result.set_result(outcome)
