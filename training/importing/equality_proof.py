"""The proof that a new graph computes what the network computes that it was made of."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.contract import INPUT, LOGITS, PROBABILITIES
from training.errors import ParityError
from training.importing.network_output import NetworkOutput
from training.importing.onnx_file import load_session

TOLERANCE, FLOAT16_TOLERANCE = 1e-4, 2e-3
"""Largest difference of a probability, and of a logit as a share of the largest one; float16 rounds to 3 digits."""
_SEVERAL = 2
"""Images at a time; two show a batch that is not free as well as more."""


_SEVERAL_DIFFER = "the graph made for the bundle computes something else for several pictures at a time"


class Equality:
    """The graph in `path`, opened for a comparison with `expected`, the original output for the same pictures."""

    def __init__(self, path: Path, expected: NetworkOutput) -> None:
        self._expected = expected
        self._session = load_session(path, "the graph made for the bundle")

    def prove(self, pictures: NDArray[np.uint8], *, float16: bool, one_at_a_time: bool = False) -> float:
        """Return the greatest difference from the original output, for one picture at a time and for several.

        one_at_a_time: the graph takes no more than one picture. Raises ParityError above the limit, also for a graph
        that is right for one picture at a time only.
        """
        allowed = FLOAT16_TOLERANCE if float16 else TOLERANCE
        alone = self._difference(pictures, 1, float16=float16)
        if not alone <= allowed:  # `not <=` also catches NaN
            raise ParityError(f"the graph made for the bundle differs by {alone:.1e} from the file, above {allowed:g}")
        if one_at_a_time:
            return alone
        try:
            together = self._difference(pictures, _SEVERAL, float16=float16)
        except Exception as error:  # onnxruntime's exceptions have no common base
            raise ParityError(_SEVERAL_DIFFER) from error
        if not together <= allowed:
            raise ParityError(_SEVERAL_DIFFER)
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
