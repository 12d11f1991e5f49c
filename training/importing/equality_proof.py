"""The proof that a new graph computes what the network computes that it was made of."""

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models.contract import INPUT, LOGITS, PROBABILITIES
from training.errors import ParityError
from training.importing.network_output import NetworkOutput
from training.importing.onnx_file import one_line

TOLERANCE, FLOAT16_TOLERANCE = 1e-4, 2e-3
"""Largest difference of a probability, and of a logit as a share of the largest one; float16 rounds to 3 digits.

Where there are no logits, the probabilities of a softmax are compared as shares of the largest one.
"""
_SEVERAL = 3
"""Images at a time; two do not show what mixes each image with the one before the last."""

_MADE = "the graph made for the bundle"


class Equality:
    """A session of a graph, for a comparison with `expected`, the original output for the pictures."""

    def __init__(self, session: onnxruntime.InferenceSession, expected: NetworkOutput) -> None:
        self._session, self._expected = session, expected

    def prove(self, pictures: NDArray[np.uint8], *, float16: bool, one_at_a_time: bool = False) -> float:
        """Return the greatest difference from the original output, for one picture at a time and for several.

        pictures: uint8 [N, H, W, C], the first of those that `expected` is for. one_at_a_time: the graph takes no more
        than one picture. Raises ParityError above the limit, also where only several pictures at a time are not right.
        """
        allowed = FLOAT16_TOLERANCE if float16 else TOLERANCE
        alone = self._difference(pictures, 1, float16=float16)
        if not alone <= allowed:  # `not <=` also catches NaN
            raise ParityError(f"{_MADE} differs by {alone:.1e} from the file, above {allowed:g}")
        if one_at_a_time:
            return alone
        together = self._difference(pictures, _SEVERAL, float16=float16)
        if not together <= allowed:
            raise ParityError(f"{_MADE} differs by {together:.1e} from the file for several pictures at a time")
        return max(alone, together)

    def _difference(self, pictures: NDArray[np.uint8], batch: int, *, float16: bool) -> float:
        starts = range(0, len(pictures), batch)
        try:
            parts = [
                self._session.run([PROBABILITIES, LOGITS], {INPUT: pictures[start : start + batch]}) for start in starts
            ]
        except Exception as error:  # onnxruntime's exceptions have no common base
            raise ParityError(f"{_MADE} cannot be run with a batch of {batch}: {one_line(error)}") from error
        probabilities, logits = (np.concatenate(part) for part in zip(*parts, strict=True))
        wanted, expected = self._expected.probabilities[: len(pictures)], self._expected.logits
        difference = np.abs(probabilities - wanted).max()
        if expected is None and not self._expected.sigmoid and not float16:  # those of 100,000 classes are all small
            difference /= wanted.max()
        if expected is not None and not float16:  # deep float16 networks round their logits more
            difference = max(
                difference, np.abs(logits - expected[: len(pictures)]).max() / max(1, np.abs(expected).max())
            )
        return float(difference)
