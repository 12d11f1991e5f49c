"""Bulk batches of one model while they run: each has a place among all bulk work, and can be given up."""

import asyncio

from service.batching.batch import BatchJob
from service.batching.bulk_slots import BulkSlots
from service.types import Engine, Prediction


class Preempted(Exception):
    """Something more interactive has come."""


class PreemptibleBatches:
    """`most`: images of the next batch; fewer after one was given up, as the gaps are short, more after a whole one."""

    def __init__(self, engine: Engine, slots: BulkSlots, max_batch_size: int) -> None:
        self.most = self._max_batch_size = max_batch_size
        self._engine, self._slots = engine, slots
        self._runs: list[asyncio.Future[Prediction]] = []
        self._claims = 0

    def __bool__(self) -> bool:
        return bool(self._runs)

    def claim(self) -> bool:
        """A place for a batch, if there is one; it is run, or released, before anything else happens."""
        claimed = self._slots.claim(self._engine.concurrency)
        self._claims += claimed
        return claimed

    def release(self) -> None:
        """The places of batches that do not run any more."""
        if ended := self._claims - len(self._runs):
            self._claims -= ended
            self._slots.release(ended)

    def preempt_one(self) -> None:
        """Its `run` raises Preempted."""
        self._runs.pop().cancel()
        self.release()

    def make_room(self) -> None:
        """Give up as many as have to go."""
        while self._runs and self._slots.surplus(self._engine.concurrency):
            self.preempt_one()

    async def run(self, step: BatchJob) -> Prediction:
        """Raises Preempted, NothingToRun, and what the engine raises."""
        run = asyncio.ensure_future(self._engine.predict(step.batch))
        self._runs.append(run)
        try:
            prediction = await run
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if run in self._runs or (task is not None and task.cancelling()):  # it is the caller who was cancelled
                raise
            self.most = max(1, len(step) // 2)
            raise Preempted from None
        else:
            self.most = min(2 * self.most, self._max_batch_size)
            return prediction
        finally:
            if run in self._runs:
                self._runs.remove(run)
