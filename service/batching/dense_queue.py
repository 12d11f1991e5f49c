"""Runs images of any size, which cannot be batched because their shapes differ, one at a time."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from models.contract import Pixels
from service.batching.admission import CapacityLimiter, Held
from service.batching.batcher import BatchCallbacks
from service.errors import EngineFailure, NotReady, TooManyImages
from service.types import UNKNOWN_CLIENT, DensePrediction

_FIRST_GUESS_S = 1.0
"""Assumed seconds for one image before any was measured; used for Retry-After."""


PredictDense = Callable[[Pixels], Awaitable[DensePrediction]]
"""Has the contract of Engine.predict_dense."""


@dataclass(frozen=True)
class DenseLimits:
    """Limits of dense classification; see Settings for each."""

    max_pixels: int
    max_predictions: int
    max_queue: int


class DenseQueue:
    """The dense queue of one model.

    Encoded images wait, and are decoded only when a slot is free. So memory is bounded.
    """

    def __init__(
        self,
        predict: PredictDense,
        limits: DenseLimits,
        slots: asyncio.Semaphore,
        observer: BatchCallbacks | None = None,
    ) -> None:
        """Create a queue.

        slots: shared by all models of a process; its initial value is the number of images decoded and run at a time.
        """
        self.limits = limits
        self._predict = predict
        self._slots = slots
        self._observer = observer or BatchCallbacks()
        self._seconds = _FIRST_GUESS_S
        self._limiter = CapacityLimiter(limits.max_queue, "images with dense=1", lambda inside: inside * self._seconds)
        self._stopped = False

    def admit(self, images: int, client: int = UNKNOWN_CLIENT) -> Held:
        """Return a context in which the images of one request of a client count as queued.

        Raises TooManyImages, QueueFull.
        """
        if images > self.limits.max_queue:
            raise TooManyImages(f"with dense=1 a request holds at most {self.limits.max_queue} images; send several")
        return self._limiter.hold(images, client)

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[float]:
        """Wait for a slot, keep it until the end of the context, and yield the seconds that the wait took."""
        asked = time.perf_counter()
        async with self._slots:
            began = time.perf_counter()
            yield began - asked
            self._seconds = time.perf_counter() - began

    async def run(self, image: Pixels) -> tuple[DensePrediction, float]:
        """Return the network's output for uint8 [H, W, C] and the seconds it took. Raises EngineFailure, NotReady."""
        if self._stopped:
            raise NotReady("the service is shutting down; send the request again")
        started = time.perf_counter()
        try:
            prediction = await self._predict(image)
        except EngineFailure:
            self._observer.failure()
            raise
        seconds = time.perf_counter() - started
        self._observer.batch(1, seconds)
        return prediction, seconds

    def stop(self) -> None:
        """Start no further image. Closing the engine ends the running one."""
        self._stopped = True
