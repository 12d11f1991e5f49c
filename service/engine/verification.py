"""Verifies a bundle before it serves: hashes, graph, and golden images on the engine that will run the requests."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from models.contract import Bundle, BundleError, Pixels, Precision, Row
from service.engine.dense_verification import check_dense
from service.engine.onnx_engine import OnnxEngine
from service.engine.session import EngineOptions, EngineRejected
from service.types import Batch


def open_verified(bundle: Bundle, options: EngineOptions, precision: Precision = Precision.FP32) -> OnnxEngine:
    """Return an engine for `bundle` that reproduced its golden images. Raises EngineRejected with the reason."""
    engine = open_checked(bundle, options, precision)
    with _closed_on_error(engine):
        check_golden(bundle, engine, precision)
    return engine


def open_again(bundle: Bundle, options: EngineOptions, precision: Precision = Precision.FP32) -> OnnxEngine:
    """Open one more session of a graph that was just verified on this provider; check only the golden images.

    Raises EngineRejected.
    """
    engine = OnnxEngine(bundle.model_path(precision), bundle.manifest, options)
    with _closed_on_error(engine):
        check_golden(bundle, engine, precision)
    return engine


def open_checked(bundle: Bundle, options: EngineOptions, precision: Precision = Precision.FP32) -> OnnxEngine:
    """Do the same without the golden images: check that files are whole and that the graph matches.

    Raises EngineRejected.
    """
    try:
        bundle.check_files()
        _check_external_data(bundle, precision)
        engine = OnnxEngine(bundle.model_path(precision), bundle.manifest, options)
    except BundleError as error:
        raise EngineRejected(str(error)) from error
    with _closed_on_error(engine):
        check_dense(bundle.manifest, engine)
    return engine


def _check_external_data(bundle: Bundle, precision: Precision) -> None:
    from service.engine.external_data import check_external_data  # noqa: PLC0415  onnx takes 12 MiB of processes without graphs

    check_external_data(bundle, precision)


def _check_class_map(class_map: NDArray[np.float32] | None, classes: int) -> None:
    """Check the class map [N, K, h, w]: the outputs of a branch have no declared shape. Raises EngineRejected."""
    if class_map is not None and class_map.shape[1:2] != (classes,):
        raise EngineRejected(f"output class_map should be [N, {classes}, ...], but is {list(class_map.shape)}")


@contextmanager
def _closed_on_error(engine: OnnxEngine) -> Iterator[None]:
    try:
        yield
    except BaseException:
        engine.close()
        raise


def check_golden(bundle: Bundle, engine: OnnxEngine, precision: Precision = Precision.FP32) -> float:
    """Return the largest difference of any probability of any golden image.

    Raises EngineRejected above the tolerance, and for an image that cannot be read, decoded or run.
    """

    def predict(pixels: Pixels) -> Row:
        answer = engine.run(Batch(pixels[None], bundle.manifest.class_map))
        _check_class_map(answer.class_map, len(bundle.manifest.labels))
        row: Row = answer.probabilities[0]
        return row

    try:
        return bundle.check_golden(predict, precision, engine.provider)
    except BundleError as error:
        raise EngineRejected(str(error)) from error
