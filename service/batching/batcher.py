"""The dynamic batcher: bounded queue, batch formation, delivery of results.

Independent of HTTP and of image formats.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass

from service.batching.batch import BatchJob, NothingToRun
from service.batching.bulk_slots import BulkSlots
from service.batching.entry import Entry
from service.batching.preemption import Preempted, PreemptibleBatches
from service.batching.queue import PriorityQueue
from service.errors import EngineFailure, NotReady, QueueFull
from service.types import UNKNOWN_CLIENT, Engine, EngineResult, Payload, Prediction, Priority

logger = logging.getLogger(__name__)

_TURNS = 5
"""Turns of the event loop between two batches that are run in it."""
MOST_DECODED = 8
"""Limit of a batch that has to be decoded first, in images.

All are decoded one after the other before any is answered.
"""
_SHUTTING_DOWN = "the service is shutting down; send the request again"


@dataclass(frozen=True, slots=True)
class BatchCallbacks:
    """Callbacks that the batcher calls to record metrics.

    batch: size and seconds of a batch. failure: a batch failed or holds a broken output. preemption: a bulk batch was
    preempted.
    """

    batch: Callable[[int, float], None] = lambda _size, _seconds: None
    failure: Callable[[], None] = lambda: None
    preemption: Callable[[], None] = lambda: None


class BatchRunner:
    """Runs short batches in the event loop and others in the engine's threads.

    `steps`: batches now running in threads.
    """

    def __init__(self, engine: Engine, largest_inline: int) -> None:
        """largest_inline: size limit of the batches that take less time than a change of threads; 0: there are none."""
        self._engine, self._largest = engine, largest_inline
        self._turns_owed = 0
        self.steps = 0

    async def run(self, step: BatchJob, waiting: int) -> Prediction:
        """Run a batch. Raises NothingToRun, and what the engine raises.

        waiting: images that are queued behind the batch.
        """
        if not step.needs_decode_thread and len(step) <= self._largest_inline(waiting):
            self._turns_owed = min(len(step), _TURNS)
            return self._engine.run(step.batch())
        self.steps += 1
        try:
            return await self._engine.predict(step.batch)
        finally:
            self.steps -= 1

    async def yield_to_io(self) -> None:
        """After a batch in the event loop, however many images are queued, let answers leave and requests arrive.

        Clients that are answered send their next request at once. With one turn of the loop it misses the next batch:
        6.6 images in a batch instead of 15, and 0.75 of the requests per second.
        """
        turns, self._turns_owed = self._turns_owed, 0
        for _ in range(turns):
            await asyncio.sleep(0)

    def _largest_inline(self, waiting: int) -> int:
        """Return the size limit of a batch in the event loop.

        An engine with several concurrent batches gets only a single image, and only when nothing else runs or waits:
        while the event loop is busy, no other batch can be started.
        """
        if self._engine.concurrency == 1:
            return self._largest
        return 0 if self.steps or waiting else min(self._largest, 1)


class Batcher:
    """Feeds an engine from a queue.

    Each of `engine.concurrency` loops takes all images that wait, up to the limit, as soon as it is free. So batches
    grow with the load, without a timer. Bulk batches start only while no interactive image waits. When an interactive
    image arrives and no loop is free, a bulk batch is preempted and run again later.
    """

    def __init__(
        self,
        engine: Engine,
        max_batch_size: int,
        max_queue: int,
        observer: BatchCallbacks | None = None,
        largest_inline: int = 0,
        slots: BulkSlots | None = None,
        crowded_batch_size: int | None = None,
    ) -> None:
        """Create a batcher that is not started.

        largest_inline: see BatchRunner. crowded_batch_size: limit of a batch while one client crowds others out.
        slots: the bulk slots of the process, shared by all its models.
        """
        self._engine = engine
        self._slots = slots or BulkSlots()
        self._slots.watch(self._recheck_bulk)
        self._runner = BatchRunner(engine, largest_inline)
        self._max_batch_size = max_batch_size
        self._bulk = PreemptibleBatches(engine, self._slots, max_batch_size)
        self._waiting = PriorityQueue(max_queue, self._bulk.claim, crowded_batch_size)
        self._interactive = 0
        self._observer = observer or BatchCallbacks()
        self._loops: list[asyncio.Task[None]] = []

    @property
    def depth(self) -> int:
        """Images that wait for a batch."""
        return len(self._waiting)

    def start(self) -> None:
        self._loops = [asyncio.create_task(self._run()) for _ in range(self._engine.concurrency)]

    async def stop(self) -> None:
        """Fail the entries that wait, let running batches end, and close the engine."""
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        self._loops.clear()
        for entry in self._waiting.drain():
            entry.fail(NotReady(_SHUTTING_DOWN))
        self._slots.unwatch(self._recheck_bulk)
        await asyncio.to_thread(self._engine.close)

    def expect(self, interactive: int) -> None:
        """Set the number of interactive images that are admitted and not answered, decoded or not."""
        by, self._interactive = interactive - self._interactive, interactive
        self._slots.add_interactive(by)

    def _recheck_bulk(self) -> None:
        self._bulk.make_room()
        self._waiting.recheck()

    async def submit(
        self,
        payload: Payload,
        class_map: bool = False,
        priority: Priority = Priority.INTERACTIVE,
        client: int = UNKNOWN_CLIENT,
    ) -> EngineResult:
        """Return the network's output for one image. See Submitter."""
        if not self._loops:
            raise NotReady(_SHUTTING_DOWN)
        entry = Entry(payload, class_map, asyncio.get_running_loop().create_future(), client)
        self._enqueue(entry, priority)
        return await entry.result

    def _enqueue(self, entry: Entry, priority: Priority) -> None:
        if priority is Priority.INTERACTIVE and self._bulk and not self._waiting.idle_waiters:
            self._bulk.preempt_one()
        try:
            self._waiting.put(entry, priority)
        except asyncio.QueueFull:
            raise QueueFull("too many images are waiting; send the request again later") from None

    async def _run(self) -> None:
        """Run batches until cancelled. The loop goes on after any error of a batch."""
        while True:
            await self._runner.yield_to_io()
            priority, batch = await self._waiting.take(self._max_batch_size, self._bulk.most)
            batch = self._limit_decode_work(batch, priority)
            try:
                await self._answer(batch, priority)
            except Preempted:
                self._observer.preemption()
                self._waiting.requeue(batch, priority)
            except Exception as error:
                logger.exception("batch of %d failed", len(batch))
                self._observer.failure()
                failure = error if isinstance(error, EngineFailure) else EngineFailure("the model could not be run")
                for entry in batch:
                    entry.fail(failure)
            except asyncio.CancelledError:
                for entry in batch:
                    entry.fail(NotReady(_SHUTTING_DOWN))
                raise
            else:
                if priority is Priority.BULK:
                    self._bulk.release()
                    await asyncio.sleep(0)  # let another model run its bulk batch
            finally:
                self._bulk.release()

    def _limit_decode_work(self, batch: list[Entry], priority: Priority) -> list[Entry]:
        """Shorten a batch that has to be decoded first: return the part to run now, requeue the rest.

        So the other loops decode a share of the images too, and no image waits until many others are decoded.
        """
        if not any(entry.payload.needs_thread for entry in batch):
            return batch
        most = min(MOST_DECODED, -(-(len(batch) + len(self._waiting)) // self._engine.concurrency))
        self._waiting.requeue(batch[most:], priority)
        return batch[:most]

    async def _answer(self, batch: list[Entry], priority: Priority) -> None:
        interactive = priority is Priority.INTERACTIVE
        step = BatchJob(batch, only_request=interactive and len(batch) == 1 and self._is_alone())
        with closing(step), suppress(NothingToRun):
            running = self._runner.run(step, len(self._waiting)) if interactive else self._bulk.run(step)
            prediction = await running
            self._observer.batch(len(prediction.probabilities), step.answer(prediction))
            if step.non_finite:
                self._observer.failure()

    def _is_alone(self) -> bool:
        """Return whether nothing else runs or waits besides the batch that is about to run."""
        return not self._runner.steps and self._slots.only_request
