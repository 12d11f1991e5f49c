"""The engine process's side of a connection to a frontend: passes requests to batchers and sends replies."""

import asyncio
import json
import logging
import math
import socket
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.contract import Pixels, Row
from service.errors import DeadlineExceeded, EngineFailure, ServiceError
from service.repository.version import ModelVersion
from service.server.ipc.engine_client import Report, error_to_json
from service.server.ipc.pixel_slots import PixelSlotsView
from service.server.ipc.protocol import HELLO, REQUEST, RESPONSE, SHAPE, FrameDecoder, Kind, RequestHeader
from service.server.workers.control_channel import receive
from service.types import DensePrediction, Priority, ReadyPixels

logger = logging.getLogger(__name__)


class FrontendConnection(asyncio.Protocol):
    """A connection to one frontend. When it ends, its requests are cancelled."""

    def __init__(
        self, shared: PixelSlotsView, versions: Sequence[ModelVersion], lost: Callable[["FrontendConnection"], None]
    ) -> None:
        """Create a connection.

        versions: indexed by the model numbers in the reports. lost: called when the connection has ended.
        """
        self._shared, self._versions, self._lost = shared, versions, lost
        self._pieces = FrameDecoder(REQUEST)
        self._transport: asyncio.WriteTransport | None = None
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def connection_made(self, transport: asyncio.WriteTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        for head, behind in self._pieces.feed(data):
            question = RequestHeader(*head)
            match question.kind:
                case Kind.CLASSIFY:
                    self._begin(question.number, self._classify(question))
                case Kind.DENSE:
                    self._begin(question.number, self._dense(question, behind))
                case Kind.FORGET:
                    if (task := self._tasks.get(question.number)) is not None:
                        task.cancel()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        for task in self._tasks.values():
            task.cancel()
        self._lost(self)

    def report(self, report: Report) -> None:
        self._reply(Kind.REPORT, 0, json.dumps(report).encode())

    def _begin(self, number: int, work: Coroutine[Any, Any, None]) -> None:
        task = self._tasks[number] = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(lambda done: self._ended(number, done))

    def _ended(self, number: int, task: asyncio.Task[None]) -> None:
        """Reply in every case, because the reply frees the slot; also for a task that was cancelled before it began."""
        del self._tasks[number]
        error = EngineFailure("cancelled by the frontend") if task.cancelled() else task.exception()
        if isinstance(error, TimeoutError):
            error = DeadlineExceeded("the deadline passed while the image waited for a batch")
        elif error is not None and not isinstance(error, ServiceError):
            logger.error("a request of a frontend failed", exc_info=error)
            error = EngineFailure("the model could not be run; the cause is in the service's log")
        if error is not None:
            self._reply(Kind.PROBLEM, number, json.dumps(error_to_json(error)).encode())

    async def _classify(self, question: RequestHeader) -> None:
        version = self._versions[question.model]
        image = self._shared.image(question.slot, version.manifest.input.shape)
        deadline = question.deadline if question.deadline < math.inf else None
        priority = list(Priority)[question.priority]
        answer = await version.ready().batcher.submit(ReadyPixels(image), bool(question.class_map), deadline, priority)
        arrays = [answer.probabilities] if answer.class_map is None else [answer.probabilities, answer.class_map]
        self._answer(question, arrays, answer.queue_s, answer.infer_s)

    async def _dense(self, question: RequestHeader, behind: bytes) -> None:
        """Run one dense image; one at a time for all frontends, because such an image takes much memory."""
        image: Pixels = np.frombuffer(behind, np.uint8, offset=SHAPE.size).reshape(SHAPE.unpack_from(behind))
        lane = self._versions[question.model].ready().lane
        async with lane.turn() as queue_s:
            prediction, infer_s = await lane.run(image)
        self._answer(question, _arrays(prediction), queue_s, infer_s)

    def _answer(self, question: RequestHeader, arrays: Sequence[Row], queue_s: float, infer_s: float) -> None:
        rows, columns = arrays[-1].shape[1:] if arrays[-1].ndim == 3 else (0, 0)
        behind = b"".join(np.asarray(array, np.float32).tobytes() for array in arrays)
        self._reply(Kind.ANSWER, question.number, behind, (rows, columns), (queue_s, infer_s))

    def _reply(
        self,
        kind: Kind,
        number: int,
        behind: bytes,
        size: tuple[int, int] = (0, 0),
        seconds: tuple[float, float] = (0, 0),
    ) -> None:
        if self._transport is not None:
            self._transport.write(RESPONSE.pack(kind, *size, number, *seconds, 0, len(behind)) + behind)


async def accept_frontend(
    end: socket.socket, versions: Sequence[ModelVersion], lost: Callable[[FrontendConnection], None]
) -> FrontendConnection | None:
    """Return a connection after the frontend has sent the descriptor of its slots; None if it ends before."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    end.setblocking(False)
    loop.add_reader(end.fileno(), readable.set)
    await readable.wait()
    loop.remove_reader(end.fileno())
    try:
        hello, descriptors = receive(end, HELLO.size, 1)
        shared = PixelSlotsView(descriptors[0], *HELLO.unpack(hello))
        link = FrontendConnection(shared, versions, lost)
        await loop.create_unix_connection(lambda: link, sock=end)
    except (OSError, IndexError, ValueError):
        logger.warning("a frontend ended before its connection was set up")
        end.close()
        return None
    return link


def _arrays(prediction: DensePrediction) -> list[NDArray[np.float32]]:
    return [prediction.probabilities, prediction.logits, prediction.class_map]
