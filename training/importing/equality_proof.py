"""The proof that a new graph computes what the network computes that it was made of."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.contract import INPUT, LOGITS, PROBABILITIES, Pixels, Row
from training.errors import OnnxImportError, ParityError
from training.evaluation.onnx_session import single_predictor
from training.importing.network_output import NetworkOutput
from training.importing.onnx_file import load_session

TOLERANCE, FLOAT16_TOLERANCE = 1e-4, 2e-3
"""Largest difference of a probability, and of a logit as a share of the largest one; float16 rounds to 3 digits."""
_BATCH = 2
"""Images at a time; two show a batch that is not free as well as more."""
_ONE_AT_A_TIME = (
    "the graph takes one image at a time and cannot be changed to take more: export it with a free batch axis, as with "
    "dynamic_axes or dynamic_shapes in PyTorch and dynamic=True in ultralytics"
)


class Equality:
    """The graph in `path`, opened for a comparison with `expected`, the original output for the same pictures."""

    def __init__(self, path: Path, expected: NetworkOutput) -> None:
        self._expected = expected
        self._session = load_session(path, "the graph made for the bundle")

    @property
    def classify(self) -> Callable[[Pixels], Row]:
        """The function from one image, uint8 [H, W, C], to its probabilities."""
        return single_predictor(self._session)

    def prove(self, pictures: NDArray[np.uint8], *, float16: bool) -> float:
        """Return the greatest difference from the original output, for one picture at a time and for several.

        Raises ParityError above the limit, and OnnxImportError for a graph that takes one image at a time only.
        """
        allowed = FLOAT16_TOLERANCE if float16 else TOLERANCE
        alone = self._difference(pictures, 1, float16=float16)
        if not alone <= allowed:  # `not <=` also catches NaN
            raise ParityError(f"the graph made for the bundle differs by {alone:.1e} from the file, above {allowed:g}")
        try:
            together = self._difference(pictures, _BATCH, float16=float16)
        except Exception as error:
            raise OnnxImportError(_ONE_AT_A_TIME) from error
        if not together <= allowed:
            raise OnnxImportError(_ONE_AT_A_TIME)
        return max(alone, together)

    def _difference(self, pictures: NDArray[np.uint8], batch: int, *, float16: bool) -> float:
        parts = [
            self._session.run([PROBABILITIES, LOGITS], {INPUT: pictures[start : start + batch]})
            for start in range(0, len(pictures), batch)
        ]
        probabilities, logits = (np.concatenate(part) for part in zip(*parts, strict=True))
        difference = np.abs(probabilities - self._expected.probabilities).max()
        expected = self._expected.logits
        if expected is not None and not float16:  # deep float16 networks round their logits more
            difference = max(difference, np.abs(logits - expected).max() / max(1, np.abs(expected).max()))
        return float(difference)
