"""A bundle proves itself before it serves: hashes, graph, and golden images through the engine that will answer."""

import numpy as np

from models.contract import Bundle, BundleError, Manifest, Pixels, Precision, Row
from service.engine import Batch, EngineOptions, EngineRejected, OnnxEngine
from service.errors import EngineFailure

_STRIDES = 8
"""So many strides more than the input: enough to tell a stride from its half."""


def open_verified(bundle: Bundle, options: EngineOptions, precision: Precision = Precision.FP32) -> OnnxEngine:
    """An engine for `bundle` that reproduced its golden images. Raises EngineRejected with the reason."""
    engine = open_fitting(bundle, options, precision)
    try:
        check_golden(bundle, engine, precision)
    except BaseException:
        engine.close()
        raise
    return engine


def open_fitting(bundle: Bundle, options: EngineOptions, precision: Precision = Precision.FP32) -> OnnxEngine:
    """The same before its golden images: files are whole and the graph fits. Raises EngineRejected."""
    try:
        bundle.check_files()
        engine = OnnxEngine(bundle.model_path(precision), bundle.manifest, options)
    except BundleError as error:
        raise EngineRejected(str(error)) from error
    try:
        check_dense(bundle.manifest, engine)
    except BaseException:
        engine.close()
        raise
    return engine


def check_dense(manifest: Manifest, engine: OnnxEngine) -> None:
    """The class map grows by a cell a stride, as the manifest says. Raises EngineRejected."""
    if manifest.dense is None:
        return
    for steps in (0, _STRIDES):
        sides = zip(manifest.input.shape[:2], manifest.dense.stride, strict=True)
        height, width = (side + steps * stride for side, stride in sides)
        blank = np.zeros((height, width, manifest.input.colour.channels), np.uint8)
        try:
            cells = engine.run_dense(blank).class_map.shape[1:]
        except EngineFailure as error:
            raise EngineRejected(
                f"an image of {width}x{height} cannot be run, although the manifest has `dense`"
            ) from error
        expected = tuple(window + steps for window in manifest.dense.window)
        if cells != expected:
            raise EngineRejected(
                f"the class map of an image of {width}x{height} has {cells} cells, "
                f"stride and window in the manifest make it {expected}"
            )


def check_golden(bundle: Bundle, engine: OnnxEngine, precision: Precision = Precision.FP32) -> float:
    """The largest difference of any probability of any golden image.

    Raises EngineRejected above the tolerance, and for an image that cannot be read, decoded or run.
    """

    def predict(pixels: Pixels) -> Row:
        row: Row = engine.run(Batch(pixels[None], bundle.manifest.class_map)).probabilities[0]
        return row

    try:
        return bundle.check_golden(predict, precision, engine.provider)
    except BundleError as error:
        raise EngineRejected(str(error)) from error
