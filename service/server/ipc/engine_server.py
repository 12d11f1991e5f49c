"""The engine process's side of a connection to a frontend: passes requests to batchers and sends replies."""

import asyncio
import json
import logging
import math
import socket
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

import numpy as np

from models.contract import Pixels, Row
from service.errors import EngineFailure, NotReady, ServiceError
from service.repository.version import Deployment, ModelVersion
from service.server.ipc.pixel_slots import PixelSlotsView
from service.server.ipc.protocol import (
    HELLO,
    REQUEST,
    RESPONSE,
    SHAPE,
    Kind,
    Report,
    RequestHeader,
    ResponseHeader,
    error_to_json,
    frames,
)
from service.server.workers.control_channel import receive
from service.types import Priority, ReadyPixels

logger = logging.getLogger(__name__)


class FrontendConnection:
    """A connection to one frontend."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        slots: PixelSlotsView,
        versions: Mapping[int, ModelVersion],
    ) -> None:
        """versions: by the model numbers in the reports; changes while it is used."""
        self._reader, self._writer, self._slots, self._versions = reader, writer, slots, versions
        self._tasks: dict[int, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Answer the requests of the frontend until it ends, then cancel those that are left."""
        async for head, data in frames(self._reader, REQUEST):
            request = RequestHeader(*head)
            match request.kind:
                case Kind.CLASSIFY:
                    self._begin(request.number, self._classify(request, data))
                case Kind.DENSE:
                    self._begin(request.number, self._dense(request, data))
                case Kind.CANCEL if request.number in self._tasks:
                    self._tasks[request.number].cancel()
        self._writer.close()
        for task in self._tasks.values():
            task.cancel()

    def report(self, report: Report) -> None:
        self._reply_json(Kind.REPORT, 0, report)

    def _begin(self, number: int, work: Coroutine[Any, Any, None]) -> None:
        task = self._tasks[number] = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(lambda done: self._ended(number, done))

    def _ended(self, number: int, task: asyncio.Task[None]) -> None:
        """Reply in every case, because the reply frees the slot; also for a task that was cancelled before it began."""
        del self._tasks[number]
        error = EngineFailure("cancelled by the frontend") if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, ServiceError):
            logger.error("a request of a frontend failed", exc_info=error)
            error = EngineFailure("the model could not be run; the cause is in the service's log")
        if error is not None:
            self._reply_json(Kind.PROBLEM, number, error_to_json(error))

    def _version(self, number: int) -> ModelVersion:
        """Return a version. Raises NotReady where it has retired."""
        if (version := self._versions.get(number)) is None:
            raise NotReady("the version has retired; send the request again")
        return version

    def _deployment(self, number: int) -> Deployment:
        """Return the deployment of a version. It serves from the report on, which is before it is committed."""
        if (serving := self._version(number).serving) is None:
            raise NotReady("the version has retired; send the request again")
        return serving

    async def _classify(self, request: RequestHeader, data: bytes) -> None:
        """Run one image. data: its pixels, where it is larger than a slot."""
        version, serving = self._version(request.model), self._deployment(request.model)
        image = _image_of(data) if data else self._slots.image(request.slot, version.manifest.input.shape)
        priority = list(Priority)[request.priority]
        result = await serving.batcher.submit(ReadyPixels(image), bool(request.class_map), priority, request.client)
        arrays = [result.probabilities] if result.class_map is None else [result.probabilities, result.class_map]
        self._answer(request, arrays, result.queue_s, result.infer_s, result.energy, result.batch_size)

    async def _dense(self, request: RequestHeader, data: bytes) -> None:
        """Run one dense image; one at a time for all frontends, because such an image takes much memory."""
        dense_queue = self._deployment(request.model).dense_queue
        async with dense_queue.slot() as queue_s:
            prediction, infer_s = await dense_queue.run(_image_of(data))
        arrays = [prediction.probabilities, prediction.logits, prediction.class_map]
        self._answer(request, arrays, queue_s, infer_s, prediction.energy, batch_size=1)

    def _answer(
        self,
        request: RequestHeader,
        arrays: Sequence[Row],
        queue_s: float,
        infer_s: float,
        energy: float | None,
        batch_size: int,
    ) -> None:
        rows, columns = arrays[-1].shape[1:] if arrays[-1].ndim == 3 else (0, 0)
        data = b"".join(np.asarray(array, np.float32).tobytes() for array in arrays)
        sent = math.nan if energy is None else energy
        head = ResponseHeader(Kind.ANSWER, rows, columns, request.number, queue_s, infer_s, sent, batch_size, len(data))
        self._reply(head, data)

    def _reply_json(self, kind: Kind, number: int, value: dict[str, Any]) -> None:
        data = json.dumps(value).encode()
        self._reply(ResponseHeader(kind, 0, 0, number, 0, 0, math.nan, 0, len(data)), data)

    def _reply(self, header: ResponseHeader, data: bytes) -> None:
        if not self._writer.is_closing():
            self._writer.write(RESPONSE.pack(*header) + data)


def _image_of(data: bytes) -> Pixels:
    """Return the pixels uint8 [H, W, C] that follow a header."""
    image: Pixels = np.frombuffer(data, np.uint8, offset=SHAPE.size).reshape(SHAPE.unpack_from(data))
    return image


async def accept_frontend(end: socket.socket, versions: Mapping[int, ModelVersion]) -> FrontendConnection | None:
    """Return a connection after the frontend has sent the descriptor of its slots; None if it ends before."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(end.fileno(), readable.set)
    await readable.wait()
    loop.remove_reader(end.fileno())
    try:
        hello, descriptors = receive(end, HELLO.size, 1)
        slots = PixelSlotsView(descriptors[0], *HELLO.unpack(hello))
        return FrontendConnection(*await asyncio.open_unix_connection(sock=end), slots, versions)
    except (OSError, IndexError, ValueError):
        logger.warning("a frontend ended before its connection was set up")
        end.close()
        return None
