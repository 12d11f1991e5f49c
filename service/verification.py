"""A bundle proves itself before it serves: hashes, graph, and golden images through the engine that will answer."""

import io

import numpy as np
from PIL import Image

from models.contract import Bundle, BundleError, Precision, preprocess
from service.engine import Batch, EngineOptions, EngineRejected, OnnxEngine


def open_verified(bundle: Bundle, options: EngineOptions, precision: Precision = Precision.FP32) -> OnnxEngine:
    """An engine for `bundle` that reproduced its golden images. Raises EngineRejected with the reason."""
    try:
        bundle.check_files()
        engine = OnnxEngine(bundle.model_path(precision), bundle.manifest, options)
    except BundleError as error:
        raise EngineRejected(str(error)) from error
    try:
        check_golden(bundle, engine)
    except BaseException:
        engine.close()
        raise
    return engine


def check_golden(bundle: Bundle, engine: OnnxEngine) -> float:
    """The largest difference of any probability of any golden image. Raises EngineRejected above the tolerance."""
    manifest, worst = bundle.manifest, 0.0
    try:
        golden = list(bundle.golden())
    except (BundleError, OSError, ValueError) as error:
        raise EngineRejected(f"the golden images cannot be read: {error}") from error
    for path, body, expected in golden:
        with Image.open(io.BytesIO(body), formats=("JPEG", "PNG")) as image:
            pixels = preprocess(image, manifest.input, manifest.preprocessing)
        row = engine.run(Batch(pixels[None], class_map=manifest.class_map)).probabilities[0]
        difference = float(np.abs(row - expected).max())
        if not difference <= manifest.golden.tolerance:
            raise EngineRejected(
                f"golden image {path}: a probability is off by {difference:.6f} on {engine.provider}, "
                f"the manifest allows {manifest.golden.tolerance}: decoder, runtime or device compute differently"
            )
        worst = max(worst, difference)
    return worst
