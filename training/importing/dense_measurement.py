"""Whether one pass over a large picture classifies each part of it, tried on the graph of a new bundle."""

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models.contract import CLASS_MAP, INPUT, LOGITS, PROBABILITIES, Dense, Input, Row, Task, cell_probabilities

_GROWTH, _GROWTH_OF_LARGE = 2, 1
"""Sides of the input by which the picture that the stride is measured with is larger than the input."""
_LARGE_SIDE = 512
"""Side of an input in pixels from which on the smaller growth suffices; memory grows with the pixels."""
_STRIDES = 8
"""Strides by which the picture that the stride is checked with exceeds the input; the service checks as many."""
_TOLERANCE = 0.01
"""Largest difference of a probability between the only cell of a picture and the picture; that of the service."""


class NotDenseError(Exception):
    """Raised where the parts of a larger picture cannot be classified in one pass. The message is the reason."""


def measure_dense(session: onnxruntime.InferenceSession, target: Input, task: Task = Task.SINGLE) -> Dense:
    """Return stride and window of a graph whose input has any height and width and which has a class map.

    They pass the checks that the service makes when it loads a bundle. Raises NotDenseError.
    """
    probabilities, logits, class_map = _run(session, target, (target.height, target.width))
    growth = _GROWTH_OF_LARGE if max(target.height, target.width) >= _LARGE_SIDE else _GROWTH
    larger = _run(session, target, ((1 + growth) * target.height, (1 + growth) * target.width))[2]
    window = (class_map.shape[1], class_map.shape[2])
    grown = (larger.shape[1] - window[0], larger.shape[2] - window[1])
    if min(grown) <= 0:
        raise NotDenseError("the class map of a larger picture is not larger")
    stride = (round(growth * target.height / grown[0]) or 1, round(growth * target.width / grown[1]) or 1)
    dense = Dense(stride=stride, window=window)
    size = (target.height + _STRIDES * stride[0], target.width + _STRIDES * stride[1])
    cells = _run(session, target, size)[2].shape[1:]
    if cells != (window[0] + _STRIDES, window[1] + _STRIDES):
        raise NotDenseError(f"the class map does not grow by one position for each {stride[1]}x{stride[0]} pixels")
    cell = cell_probabilities(logits, class_map, (1, 1), dense, temperature=1.0, task=task)[0, 0]
    if not np.abs(cell - probabilities).max() <= _TOLERANCE:
        function = "softmax" if task is Task.SINGLE else "sigmoid"
        raise NotDenseError(f"the {function} of the class map's mean is not the probabilities")
    return dense


def _run(
    session: onnxruntime.InferenceSession, target: Input, size: tuple[int, int]
) -> tuple[Row, Row, NDArray[np.float32]]:
    """Return probabilities [K], logits [K] and class map [K, h, w] of a striped picture. size: height, width."""
    picture = np.resize(np.arange(256, dtype=np.uint8), (1, *size, target.colour.channels))
    try:
        probabilities, logits, class_map = session.run([PROBABILITIES, LOGITS, CLASS_MAP], {INPUT: picture})
    except Exception as error:  # onnxruntime's exceptions have no common base
        raise NotDenseError(f"a picture of {size[1]}x{size[0]} pixels cannot be run") from error
    return probabilities[0], logits[0], class_map[0]
