"""The engine process's side of a connection to a frontend: passes requests to batchers and sends replies."""

import asyncio
import json
import logging
import math
import socket
from collections.abc import Coroutine, Sequence
from typing import Any

import numpy as np

from models.contract import Pixels, Row
from service.errors import EngineFailure, ServiceError
from service.repository.version import ModelVersion
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
        versions: Sequence[ModelVersion],
    ) -> None:
        """versions: indexed by the model numbers in the reports."""
        self._reader, self._writer, self._slots, self._versions = reader, writer, slots, versions
        self._tasks: dict[int, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Answer the requests of the frontend until it ends, then cancel those that are left."""
        async for head, data in frames(self._reader, REQUEST):
            request = RequestHeader(*head)
            match request.kind:
                case Kind.CLASSIFY:
                    self._begin(request.number, self._classify(request))
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

    async def _classify(self, request: RequestHeader) -> None:
        version = self._versions[request.model]
        image = self._slots.image(request.slot, version.manifest.input.shape)
        priority = list(Priority)[request.priority]
        result = await version.ready().batcher.submit(ReadyPixels(image), bool(request.class_map), priority)
        arrays = [result.probabilities] if result.class_map is None else [result.probabilities, result.class_map]
        self._answer(request, arrays, result.queue_s, result.infer_s, result.energy)

    async def _dense(self, request: RequestHeader, data: bytes) -> None:
        """Run one dense image; one at a time for all frontends, because such an image takes much memory."""
        image: Pixels = np.frombuffer(data, np.uint8, offset=SHAPE.size).reshape(SHAPE.unpack_from(data))
        dense_queue = self._versions[request.model].ready().dense_queue
        async with dense_queue.slot() as queue_s:
            prediction, infer_s = await dense_queue.run(image)
        arrays = [prediction.probabilities, prediction.logits, prediction.class_map]
        self._answer(request, arrays, queue_s, infer_s, prediction.energy)

    def _answer(
        self, request: RequestHeader, arrays: Sequence[Row], queue_s: float, infer_s: float, energy: float | None
    ) -> None:
        rows, columns = arrays[-1].shape[1:] if arrays[-1].ndim == 3 else (0, 0)
        data = b"".join(np.asarray(array, np.float32).tobytes() for array in arrays)
        sent = math.nan if energy is None else energy
        head = ResponseHeader(Kind.ANSWER, rows, columns, request.number, queue_s, infer_s, sent, len(data))
        self._reply(head, data)

    def _reply_json(self, kind: Kind, number: int, value: dict[str, Any]) -> None:
        data = json.dumps(value).encode()
        self._reply(ResponseHeader(kind, 0, 0, number, 0, 0, math.nan, len(data)), data)

    def _reply(self, header: ResponseHeader, data: bytes) -> None:
        if not self._writer.is_closing():
            self._writer.write(RESPONSE.pack(*header) + data)


async def accept_frontend(end: socket.socket, versions: Sequence[ModelVersion]) -> FrontendConnection | None:
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
