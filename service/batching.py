"""Bounded queue, batch formation, delivery of results; knows neither HTTP nor image formats."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from models.contract import Pixels, Row
from service.engine import Batch, Engine, Prediction
from service.errors import EngineFailure, NotReady, QueueFull

logger = logging.getLogger(__name__)


class Answer(NamedTuple):
    """What the network says of one image: probabilities [K], class map [K, h, w] if wanted; times in seconds."""

    probabilities: Row
    class_map: Row | None
    queue_s: float
    infer_s: float


@dataclass(slots=True)
class Entry:
    """One image on its way; a future already done means that nobody waits any more."""

    image: Pixels
    class_map: bool
    result: asyncio.Future[Answer]
    enqueued_at: float = field(default_factory=time.perf_counter)

    def answer(self, answer: Answer) -> None:
        if not self.result.done():
            self.result.set_result(answer)

    def fail(self, error: Exception) -> None:
        if not self.result.done():
            self.result.set_exception(error)


@dataclass(frozen=True, slots=True)
class Observer:
    """Told what happens, for metrics."""

    batch: Callable[[int, float], None] = lambda _size, _seconds: None
    failure: Callable[[], None] = lambda: None


class Inline(NamedTuple):
    """Runs batches of up to `largest` images in the event loop: they take less time than a thread is worth."""

    run: Callable[[Batch], Prediction]
    largest: int


class Batcher:
    """Feeds an engine: `engine.concurrency` loops take what is there at once, so batches grow with load; no timer."""

    def __init__(
        self,
        engine: Engine,
        max_batch_size: int,
        max_queue: int,
        observer: Observer | None = None,
        inline: Inline | None = None,
    ) -> None:
        self._engine = engine
        self._inline = inline
        self._running = 0
        self._max_batch_size = max_batch_size
        self._queue: asyncio.Queue[Entry] = asyncio.Queue(max_queue)
        self._observer = observer or Observer()
        self._loops: list[asyncio.Task[None]] = []

    @property
    def depth(self) -> int:
        """Images that wait for a batch."""
        return self._queue.qsize()

    def start(self) -> None:
        self._loops = [asyncio.create_task(self._run()) for _ in range(self._engine.concurrency)]

    async def stop(self) -> None:
        """Fail what still waits, let running batches end, close the engine."""
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        self._loops.clear()
        while not self._queue.empty():
            self._queue.get_nowait().fail(NotReady("the service is shutting down; send the request again"))
        await asyncio.to_thread(self._engine.close)

    async def submit(self, image: Pixels, class_map: bool = False, deadline: float | None = None) -> Answer:
        """The network's answer for one image, uint8 [H, W, C].

        deadline: on the clock of time.monotonic. Raises QueueFull, EngineFailure, NotReady, TimeoutError.
        """
        if not self._loops:
            raise NotReady("the service is shutting down; send the request again")
        loop = asyncio.get_running_loop()
        entry = Entry(image, class_map, loop.create_future())
        try:
            self._queue.put_nowait(entry)
        except asyncio.QueueFull:
            raise QueueFull("too many images are waiting; send the request again later") from None
        if deadline is None:
            return await entry.result
        clock = loop.call_later(deadline - time.monotonic(), entry.fail, TimeoutError())
        try:
            return await entry.result
        finally:
            clock.cancel()

    async def _next_batch(self) -> list[Entry]:
        """Wait for one live entry, then take what is already queued, oldest first."""
        batch: list[Entry] = []
        while not batch or (len(batch) < self._max_batch_size and not self._queue.empty()):
            entry = await self._queue.get()
            if not entry.result.done():
                batch.append(entry)
        return batch

    async def _run(self) -> None:
        """Answer batches until cancelled; whatever a batch raises, the loop outlives it."""
        while True:
            batch = await self._next_batch()
            try:
                await self._answer(batch)
            except Exception as error:
                logger.exception("batch of %d failed", len(batch))
                self._observer.failure()
                failure = error if isinstance(error, EngineFailure) else EngineFailure("the model could not be run")
                for entry in batch:
                    entry.fail(failure)
            except asyncio.CancelledError:
                for entry in batch:
                    entry.fail(NotReady("the service is shutting down; send the request again"))
                raise

    async def _answer(self, batch: list[Entry]) -> None:
        started = time.perf_counter()
        stacked = Batch(np.stack([entry.image for entry in batch]), any(entry.class_map for entry in batch))
        prediction = await self._predict(stacked)
        seconds = time.perf_counter() - started
        self._observer.batch(len(batch), seconds)
        for index, (entry, row) in enumerate(zip(batch, prediction.probabilities, strict=True)):
            entry.answer(Answer(row, _map_of(prediction, index, entry), started - entry.enqueued_at, seconds))

    async def _predict(self, batch: Batch) -> Prediction:
        if self._inline is not None and len(batch.images) <= self._largest_inline():
            prediction = self._inline.run(batch)
            await asyncio.sleep(0)  # the sockets' turn, however much is queued
            return prediction
        self._running += 1
        try:
            return await self._engine.predict(batch)
        finally:
            self._running -= 1

    def _largest_inline(self) -> int:
        """Where several batches can run at a time, only a lone image: meanwhile nothing else is begun."""
        assert self._inline is not None
        if self._engine.concurrency == 1:
            return self._inline.largest
        return 0 if self._running or not self._queue.empty() else min(self._inline.largest, 1)


def _map_of(prediction: Prediction, index: int, entry: Entry) -> Row | None:
    wanted = entry.class_map and prediction.class_map is not None
    return prediction.class_map[index] if wanted and prediction.class_map is not None else None
