"""Where a batch is run: a short one in the event loop, others in the engine's threads."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from service.engine import Batch, Engine, Prediction
from service.step import Step


class Inline(NamedTuple):
    """Runs batches of up to `largest` images in the event loop: they take less time than a thread is worth."""

    run: Callable[[Batch], Prediction]
    largest: int


PredictMade = Callable[[Callable[[], Batch]], Awaitable[Prediction]]
"""Makes a batch, and runs it, both in the same thread."""


class Running:
    """`steps`: how many run in the engine's threads."""

    def __init__(self, engine: Engine, inline: Inline | None, predict_made: PredictMade | None) -> None:
        self._engine, self._inline, self._predict_made = engine, inline, predict_made
        self.steps = 0

    async def run(self, step: Step, waiting: int) -> Prediction:
        """waiting: images that are queued behind it. Raises NothingToRun, and what the engine raises."""
        if self._inline is not None and not step.worth_a_thread and len(step) <= self._largest_inline(waiting):
            try:
                return self._inline.run(step.batch())
            finally:
                await asyncio.sleep(0)  # the sockets' turn, however much is queued
        self.steps += 1
        try:
            if self._predict_made is not None:
                return await self._predict_made(step.batch)
            return await self._engine.predict(step.batch())
        finally:
            self.steps -= 1

    def _largest_inline(self, waiting: int) -> int:
        """Where several batches can run at a time, only a lone image: meanwhile nothing else is begun."""
        assert self._inline is not None
        if self._engine.concurrency == 1:
            return self._inline.largest
        return 0 if self.steps or waiting else min(self._inline.largest, 1)
