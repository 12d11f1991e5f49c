"""Images of any size beside the batcher: each has a shape of its own, so it runs alone, one at a time."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from models.contract import Pixels
from service.batching.admission import CapacityLimiter
from service.batching.batcher import BatchCallbacks
from service.errors import EngineFailure, NotReady, TooManyImages
from service.types import DensePrediction

_FIRST_GUESS_S = 1.0


PredictDense = Callable[[Pixels], Awaitable[DensePrediction]]
"""As Engine.predict_dense."""


@dataclass(frozen=True)
class DenseLimits:
    """See Settings."""

    max_pixels: int
    max_predictions: int
    max_queue: int


class DenseQueue:
    """Of one model. What waits are encoded images: pixels are made when it is an image's turn, so memory is bounded."""

    def __init__(
        self,
        predict: PredictDense,
        limits: DenseLimits,
        turns: asyncio.Semaphore,
        observer: BatchCallbacks | None = None,
    ) -> None:
        """turns: shared by all lanes of a process; its value is how many images are decoded and run at a time."""
        self.limits = limits
        self._predict = predict
        self._turns = turns
        self._observer = observer or BatchCallbacks()
        self._seconds = _FIRST_GUESS_S
        self._gate = CapacityLimiter(limits.max_queue, "images with dense=1", lambda inside: inside * self._seconds)
        self._stopped = False

    @contextmanager
    def hold(self, images: int) -> Iterator[None]:
        """Places for the images of one request. Raises TooManyImages, QueueFull."""
        if images > self.limits.max_queue:
            raise TooManyImages(f"with dense=1 a request holds at most {self.limits.max_queue} images; send several")
        with self._gate.hold(images):
            yield

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[float]:
        """Yields the seconds that it took to come."""
        asked = time.perf_counter()
        async with self._turns:
            began = time.perf_counter()
            yield began - asked
            self._seconds = time.perf_counter() - began

    async def run(self, image: Pixels) -> tuple[DensePrediction, float]:
        """What the network says of uint8 [H, W, C], and the seconds it took. Raises EngineFailure, NotReady."""
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
        """Begin nothing new; closing the engine ends what runs."""
        self._stopped = True
