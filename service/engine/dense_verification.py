"""Verifies what a manifest says about large images: stride and window of the class map, and the temperature."""

import numpy as np

from models.contract import Dense, Manifest, cell_probabilities
from service.engine.onnx_engine import OnnxEngine
from service.engine.session import EngineRejected
from service.errors import EngineFailure
from service.types import DensePrediction

_STRIDES = 8
"""Strides by which the test image exceeds the input; enough to distinguish a stride from half of it."""
_TOLERANCE = 0.01
"""Limit of the difference of a probability; an int8 variant may differ by half of it through rounding."""


def check_dense(manifest: Manifest, engine: OnnxEngine) -> None:
    """Check that the class map grows by one cell per stride, and that a single cell equals the ordinary output.

    Raises EngineRejected.
    """
    if manifest.dense is None:
        return
    answer = _answer(manifest, manifest.dense, engine, strides=0)
    _answer(manifest, manifest.dense, engine, strides=_STRIDES)
    temperature = manifest.calibration.temperature
    cell = cell_probabilities(answer.logits, answer.class_map, (1, 1), manifest.dense, temperature)[0, 0]
    if not np.abs(cell - answer.probabilities).max() <= _TOLERANCE:
        raise EngineRejected(f"the graph's softmax does not have the temperature of the manifest, {temperature:g}")


def _answer(manifest: Manifest, dense: Dense, engine: OnnxEngine, strides: int) -> DensePrediction:
    """Run a striped image that exceeds the input by `strides` strides, and check the size of its class map."""
    height, width, channels = manifest.input.shape
    height, width = height + strides * dense.stride[0], width + strides * dense.stride[1]
    try:
        answer = engine.run_dense(np.resize(np.arange(256, dtype=np.uint8), (height, width, channels)))
    except EngineFailure as error:
        raise EngineRejected(f"the manifest has `dense`, but an image of {width}x{height} cannot be run") from error
    expected = dense.window[0] + strides, dense.window[1] + strides
    if answer.class_map.shape[1:] != expected:
        raise EngineRejected(
            f"the class map of an image of {width}x{height} has {answer.class_map.shape[1:]} cells, "
            f"stride and window in the manifest make it {expected}"
        )
    return answer
