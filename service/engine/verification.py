"""Verifies a bundle before it serves: hashes, graph, and golden images on the engine that will run the requests."""

import numpy as np

from models.contract import Bundle, BundleError, Dense, Manifest, Pixels, Precision, Row, Task, cell_probabilities
from service.engine.engines import LocalEngine, open_engine
from service.engine.providers import EngineOptions
from service.engine.session import EngineRejected
from service.errors import EngineFailure
from service.types import Batch, DensePrediction


def open_verified(bundle: Bundle, options: EngineOptions, *, again: bool = False) -> LocalEngine:
    """Return an engine for `bundle` that reproduced its golden images. Raises EngineRejected with the reason.

    again: this precision was just verified on this provider, so only the golden images are checked.
    """
    from service.engine.external_data import check_external_data  # noqa: PLC0415  onnx takes 12 MiB of processes without graphs

    try:
        if not again:
            bundle.check_files()
            check_external_data(bundle, options.precision)
        engine = open_engine(bundle.model_path(options.precision), bundle.manifest, options)
    except BundleError as error:
        raise EngineRejected(str(error)) from error
    try:
        if not again:
            check_class_map(bundle.manifest, engine)
            check_dense(bundle.manifest, engine)
        check_golden(bundle, engine, options.precision)
    except BaseException:
        engine.close()
        raise
    return engine


def check_golden(bundle: Bundle, engine: LocalEngine, precision: Precision = Precision.FP32) -> float:
    """Return the largest difference of any probability of any golden image.

    Raises EngineRejected above the tolerance, and for an image that cannot be read, decoded or run.
    """

    def predict(pixels: Pixels) -> Row:
        row: Row = engine.run(Batch(pixels[None])).probabilities[0]
        return row

    try:
        return bundle.check_golden(predict, precision, engine.provider)
    except BundleError as error:
        raise EngineRejected(str(error)) from error


def check_class_map(manifest: Manifest, engine: LocalEngine) -> None:
    """Check that the class map has a plane for each class: the outputs of a branch have no declared shape.

    Raises EngineRejected.
    """
    if not manifest.class_map:
        return
    try:
        answer = engine.run(Batch(np.zeros((1, *manifest.input.shape), np.uint8), class_map=True))
    except EngineFailure as error:
        raise EngineRejected("the class map cannot be run; the cause is in the log") from error
    shape = None if answer.class_map is None else [*answer.class_map.shape]
    if shape is None or shape[1:2] != [len(manifest.labels)]:
        raise EngineRejected(f"output class_map should be [N, {len(manifest.labels)}, ...], but is {shape}")


_STRIDES = 8
"""Strides by which the test image exceeds the input; enough to distinguish a stride from half of it."""
_TOLERANCE = 0.01
"""Limit of the difference of a probability; an int8 variant may differ by half of it through rounding."""


def check_dense(manifest: Manifest, engine: LocalEngine) -> None:
    """Check that the class map grows by one cell per stride, and that a single cell equals the ordinary output.

    Raises EngineRejected.
    """
    if manifest.dense is None:
        return
    answer = _answer(manifest, manifest.dense, engine, strides=0)
    _answer(manifest, manifest.dense, engine, strides=_STRIDES)
    temperature = manifest.calibration.temperature
    maps = answer.logits, answer.class_map
    cell = cell_probabilities(*maps, (1, 1), manifest.dense, temperature, manifest.task)[0, 0]
    if not np.abs(cell - answer.probabilities).max() <= _TOLERANCE:
        function = "softmax" if manifest.task is Task.SINGLE else "sigmoid"
        raise EngineRejected(f"the graph's {function} does not have the temperature of the manifest, {temperature:g}")


def _answer(manifest: Manifest, dense: Dense, engine: LocalEngine, strides: int) -> DensePrediction:
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
