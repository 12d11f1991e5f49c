"""A manifest's promise about large images, tried on the graph: stride and window of the class map, temperature."""

import numpy as np

from models.contract import Dense, Manifest, cell_probabilities
from service.engine.onnx_engine import OnnxEngine
from service.engine.session import EngineRejected
from service.errors import EngineFailure
from service.types import DensePrediction

_STRIDES = 8
"""So many strides more than the input: enough to tell a stride from its half."""
_TOLERANCE = 0.01
"""Of a probability: a variant of eight bits may round it by half of that."""


def check_dense(manifest: Manifest, engine: OnnxEngine) -> None:
    """The class map grows by a cell a stride, and one cell is the usual answer. Raises EngineRejected."""
    if manifest.dense is None:
        return
    answer = _answer(manifest, manifest.dense, engine, strides=0)
    _answer(manifest, manifest.dense, engine, strides=_STRIDES)
    temperature = manifest.calibration.temperature
    cell = cell_probabilities(answer.logits, answer.class_map, (1, 1), manifest.dense, temperature)[0, 0]
    if not np.abs(cell - answer.probabilities).max() <= _TOLERANCE:
        raise EngineRejected(f"the graph's softmax does not have the temperature of the manifest, {temperature:g}")


def _answer(manifest: Manifest, dense: Dense, engine: OnnxEngine, strides: int) -> DensePrediction:
    """For a striped image of the input's size and so many strides more, its class map checked."""
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
