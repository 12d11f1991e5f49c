"""What an engine is: batches of pixels in, probabilities out."""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from models.contract import Pixels
from service.errors import EngineFailure

NO_NUMBERS = (
    "the network's answer to this image holds values that are no numbers; "
    "where it is served in half precision, precision=fp32 may help"
)
"""What half precision may come to with an image that no golden image is like."""


class Batch(NamedTuple):
    """uint8 [N, H, W, C], whether the class maps are wanted too, whether nothing else is to be done meanwhile."""

    images: Pixels
    class_map: bool = False
    lone: bool = False


class Prediction(NamedTuple):
    """float32 [N, K] and, if it was wanted, float32 [N, K, h, w]."""

    probabilities: NDArray[np.float32]
    class_map: NDArray[np.float32] | None = None


class DensePrediction(NamedTuple):
    """Of one image of any size: float32 probabilities and logits [K], class map [K, h, w]."""

    probabilities: NDArray[np.float32]
    logits: NDArray[np.float32]
    class_map: NDArray[np.float32]


class Engine(Protocol):
    """Runs batches, up to `concurrency` at a time."""

    @property
    def provider(self) -> str: ...

    @property
    def concurrency(self) -> int: ...

    async def predict(self, batch: Batch) -> Prediction:
        """Cancelling it ends the run soon. Raises EngineFailure when the model cannot be run."""
        ...

    def close(self) -> None: ...


def check_numbers(*outputs: NDArray[np.float32]) -> None:
    """Of one image. Raises EngineFailure for what holds no number."""
    if not all(np.isfinite(output).all() for output in outputs):
        raise EngineFailure(NO_NUMBERS)
