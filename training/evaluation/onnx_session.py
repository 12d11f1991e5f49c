"""Sessions of ONNX Runtime on the CPU for the graphs of bundles."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models.contract import INPUT, PROBABILITIES, Pixels, Row

_FATAL = 4
"""onnxruntime's highest log severity; it writes messages of lower ones to standard error."""


def open_session(path: Path | bytes, *, quiet: bool = False, threads: int = 0) -> onnxruntime.InferenceSession:
    """Return a session on the CPU. path: the file, or its content.

    quiet: errors are only raised, not printed as well. threads: for one run; 0 lets ONNX Runtime choose.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    if quiet:
        options.log_severity_level = _FATAL
    return onnxruntime.InferenceSession(
        path,
        options,
        providers=["CPUExecutionProvider"],
        enable_fallback=not quiet,  # which prints before it tries again
    )


def fixed_batch(session: onnxruntime.InferenceSession) -> int | None:
    """Return how many images the graph of a bundle takes at a time, `max_batch` of the manifest; None for any number.

    A bundle with `max_batch` has this number as the first size of its input.
    """
    first = session.get_inputs()[0].shape[0]
    return first if isinstance(first, int) else None


def predict(session: onnxruntime.InferenceSession, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return probabilities [N, K] of uint8 [N, H, W, C]."""
    (probabilities,) = session.run([PROBABILITIES], {INPUT: images})
    return np.asarray(probabilities, np.float32)


def single_predictor(session: onnxruntime.InferenceSession) -> Callable[[Pixels], Row]:
    """Return a function from one image, uint8 [H, W, C], to its probabilities, float32 [K]."""
    return lambda pixels: predict(session, pixels[None])[0]
