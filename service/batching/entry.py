"""One image on its way to an engine, and what comes back."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import NamedTuple

from models.contract import Pixels, Row
from service.decoding.deferred import Encoded
from service.types import Prediction


class Answer(NamedTuple):
    """What the network says of one image: probabilities [K], class map [K, h, w] if wanted; times in seconds.

    decode_s: of all images of its batch, if this one was decoded there.
    """

    probabilities: Row
    class_map: Row | None
    queue_s: float
    infer_s: float
    decode_s: float = 0.0


@dataclass(slots=True)
class Entry:
    """One image on its way; a future already done means that nobody waits any more."""

    image: Pixels | Encoded
    class_map: bool
    result: asyncio.Future[Answer]
    enqueued_at: float = field(default_factory=time.perf_counter)

    @property
    def alive(self) -> bool:
        return not self.result.done()

    def pixels(self) -> Pixels:
        """Decoded now, if they were not yet; raises what Encoded.decode does."""
        return self.image.decode().pixels if isinstance(self.image, Encoded) else self.image

    def answer(self, answer: Answer) -> None:
        if not self.result.done():
            self.result.set_result(answer)

    def fail(self, error: Exception) -> None:
        if not self.result.done():
            self.result.set_exception(error)


def class_map_of(prediction: Prediction, index: int, entry: Entry) -> Row | None:
    """That of the image at `index` of a batch, if it was asked for."""
    wanted = entry.class_map and prediction.class_map is not None
    return prediction.class_map[index] if wanted and prediction.class_map is not None else None
