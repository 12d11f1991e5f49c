"""A bundle proves itself before it serves: hashes, graph, and golden images through the engine that will answer."""

import io

import numpy as np
from PIL import Image

from models.contract import Bundle, BundleError, Manifest, Pixels, Precision, Row, preprocess
from service.engine import Batch, EngineOptions, EngineRejected, OnnxEngine
from service.errors import EngineFailure


def open_verified(bundle: Bundle, options: EngineOptions, precision: Precision = Precision.FP32) -> OnnxEngine:
    """An engine for `bundle` that reproduced its golden images. Raises EngineRejected with the reason."""
    engine = open_fitting(bundle, options, precision)
    try:
        check_golden(bundle, engine)
    except BaseException:
        engine.close()
        raise
    return engine


def open_fitting(bundle: Bundle, options: EngineOptions, precision: Precision = Precision.FP32) -> OnnxEngine:
    """The same before its golden images: files are whole and the graph fits. Raises EngineRejected."""
    try:
        bundle.check_files()
        return OnnxEngine(bundle.model_path(precision), bundle.manifest, options)
    except BundleError as error:
        raise EngineRejected(str(error)) from error


def check_golden(bundle: Bundle, engine: OnnxEngine) -> float:
    """The largest difference of any probability of any golden image.

    Raises EngineRejected above the tolerance, and for an image that cannot be read, decoded or run.
    """
    manifest, worst = bundle.manifest, 0.0
    try:
        golden = list(bundle.golden())
    except BundleError as error:
        raise EngineRejected(str(error)) from error
    for path, body, expected in golden:
        row = _row(path, _pixels(path, body, manifest), engine, class_map=manifest.class_map)
        difference = float(np.abs(row - expected).max())
        if not difference <= manifest.golden.tolerance:
            raise EngineRejected(
                f"golden image {path}: a probability is off by {difference:.6f} on {engine.provider}, "
                f"the manifest allows {manifest.golden.tolerance}: decoder, runtime or device compute differently"
            )
        worst = max(worst, difference)
    return worst


def _pixels(path: str, body: bytes, manifest: Manifest) -> Pixels:
    try:
        with Image.open(io.BytesIO(body), formats=("JPEG", "PNG")) as image:
            return preprocess(image, manifest.input, manifest.preprocessing)
    except Exception as error:  # decoders raise many kinds
        raise EngineRejected(
            f"golden image {path} cannot be decoded as JPEG or PNG ({type(error).__name__})"
        ) from error


def _row(path: str, pixels: Pixels, engine: OnnxEngine, *, class_map: bool) -> Row:
    try:
        row: Row = engine.run(Batch(pixels[None], class_map)).probabilities[0]
    except EngineFailure as error:
        raise EngineRejected(f"golden image {path} cannot be run on {engine.provider}: {error}") from error
    return row
