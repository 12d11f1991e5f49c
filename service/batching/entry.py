"""The queue entry of one image."""

import asyncio
import time
from dataclasses import dataclass, field

from models.contract import Row
from service.types import EngineResult, Payload, Prediction


@dataclass(slots=True)
class Entry:
    """One image in a queue and the future of its result.

    A future that is done means that the client no longer waits.
    """

    payload: Payload
    class_map: bool
    result: asyncio.Future[EngineResult]
    enqueued_at: float = field(default_factory=time.perf_counter)

    @property
    def alive(self) -> bool:
        return not self.result.done()

    def answer(self, answer: EngineResult) -> None:
        if not self.result.done():
            self.result.set_result(answer)

    def fail(self, error: Exception) -> None:
        if not self.result.done():
            self.result.set_exception(error)


def class_map_of(prediction: Prediction, index: int, entry: Entry) -> Row | None:
    """Return the class map of the image at `index` of a batch, or None if it was not requested."""
    wanted = entry.class_map and prediction.class_map is not None
    return prediction.class_map[index] if wanted and prediction.class_map is not None else None
