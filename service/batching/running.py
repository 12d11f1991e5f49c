"""Where a batch is run: a short one in the event loop, others in the engine's threads."""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from service.batching.batch import Step
from service.types import Batch, Engine, Prediction

_TURNS = 5
"""Of the event loop, until who got an answer and asks again at once has come into the queue: fuller batches."""


class Inline(NamedTuple):
    """Runs batches of up to `largest` images in the event loop: they take less time than a thread is worth."""

    run: Callable[[Batch], Prediction]
    largest: int


class Running:
    """`steps`: how many run in the engine's threads."""

    def __init__(self, engine: Engine, inline: Inline | None) -> None:
        self._engine, self._inline = engine, inline
        self.steps = 0
        self._turns_owed = 0

    async def run(self, step: Step, waiting: int) -> Prediction:
        """waiting: images that are queued behind it. Raises NothingToRun, and what the engine raises."""
        if self._inline is not None and not step.worth_a_thread and len(step) <= self._largest_inline(waiting):
            self._turns_owed = min(len(step), _TURNS)
            return self._inline.run(step.batch())
        self.steps += 1
        try:
            return await self._engine.predict(step.batch)
        finally:
            self.steps -= 1

    async def give_way(self) -> None:
        """After a batch in the event loop, however much is queued: its answers leave, and the sockets are read."""
        turns, self._turns_owed = self._turns_owed, 0
        for _ in range(turns):
            await asyncio.sleep(0)

    def _largest_inline(self, waiting: int) -> int:
        """Where several batches can run at a time, only a lone image: meanwhile nothing else is begun."""
        assert self._inline is not None
        if self._engine.concurrency == 1:
            return self._inline.largest
        return 0 if self.steps or waiting else min(self._inline.largest, 1)
