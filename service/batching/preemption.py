"""Runs the bulk batches of one model, each in a bulk slot of the process, and preempts them."""

import asyncio

from service.batching.batch import BatchJob
from service.batching.bulk_slots import BulkSlots
from service.types import Engine, Prediction


class Preempted(Exception):
    """The bulk batch was cancelled because an interactive image needs the engine."""


class PreemptibleBatches:
    """The running bulk batches of one model.

    `most`: size limit of the next bulk batch; half of the preempted batch after a preemption, doubled after a completed
    batch.
    """

    def __init__(self, engine: Engine, slots: BulkSlots, max_batch_size: int) -> None:
        self.most = self._max_batch_size = max_batch_size
        self._engine, self._slots = engine, slots
        self._runs: list[asyncio.Future[Prediction]] = []
        self._claims = 0

    def __bool__(self) -> bool:
        return bool(self._runs)

    def claim(self) -> bool:
        """Claim a bulk slot for a batch and return whether there was one.

        The caller has to run the batch, or release the slot, without an await in between.
        """
        claimed = self._slots.claim(self._engine.concurrency)
        self._claims += claimed
        return claimed

    def release(self) -> None:
        """Release the slots of batches that no longer run."""
        if ended := self._claims - len(self._runs):
            self._claims -= ended
            self._slots.release(ended)

    def preempt_one(self) -> None:
        """Cancel the newest running bulk batch. Its `run` raises Preempted."""
        self._runs.pop().cancel()
        self.release()

    def make_room(self) -> None:
        """Preempt as many of this model's batches as exceed the slots of the process."""
        while self._runs and self._slots.surplus(self._engine.concurrency):
            self.preempt_one()

    async def run(self, step: BatchJob) -> Prediction:
        """Run a bulk batch. Raises Preempted, NothingToRun, and what the engine raises."""
        run = asyncio.ensure_future(self._engine.predict(step.batch))
        self._runs.append(run)
        try:
            prediction = await run
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if run in self._runs or (task is not None and task.cancelling()):  # the caller was cancelled
                raise
            self.most = max(1, len(step) // 2)
            raise Preempted from None
        else:
            self.most = min(2 * self.most, self._max_batch_size)
            return prediction
        finally:
            if run in self._runs:
                self._runs.remove(run)
