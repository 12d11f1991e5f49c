"""Golden images: encoded images with the probabilities of the original network, which a server has to reproduce."""

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PIL import Image

from models.contract import Bundle, BundleError, Golden, Input, Pixels, Precision, Preprocessing, Row, decode_golden
from training.errors import ParityError
from training.evaluation.graph import classify_one, open_graph

FOLDER = "golden"
PROBABILITIES_FILE = f"{FOLDER}/probabilities.json"
TOLERANCE = 0.01
"""Allowed absolute difference of a probability: another JPEG decoder (one or two grey levels) and TF32 on a GPU stay
below it, swapped channels or a missing scale are far above it.
"""


@dataclass(frozen=True)
class GoldenImage:
    """File name, whose suffix names the format, and the encoded bytes."""

    name: str
    encoded: bytes

    def pixels(self, target: Input, preprocessing: Preprocessing) -> Pixels:
        """Return uint8 [height, width, channels], as the service makes them of the bytes."""
        return decode_golden(self.encoded, target, preprocessing)


def encode(image: Image.Image, name: str, picture_format: str) -> GoldenImage:
    """Encode an image as lossless PNG, or as JPEG of quality 92 without chroma subsampling."""
    buffer = io.BytesIO()
    options = {"quality": 92, "subsampling": 0} if picture_format == "JPEG" else {"optimize": True}
    image.save(buffer, picture_format, **options)
    return GoldenImage(name, buffer.getvalue())


def write_golden(
    folder: Path,
    images: Sequence[GoldenImage],
    classify: Callable[[Pixels], Row],
    target: Input,
    preprocessing: Preprocessing,
) -> Golden:
    """Write images and their probabilities into the bundle `folder`. Returns their entry of the manifest.

    classify: probabilities, float32 [K], of one image, uint8 [H, W, C], by the network that the bundle was made of.
    """
    (folder / FOLDER).mkdir()
    rows: dict[str, list[float]] = {}
    for image in images:
        path = f"{FOLDER}/{image.name}"
        (folder / path).write_bytes(image.encoded)
        rows[path] = [round(float(value), 8) for value in classify(image.pixels(target, preprocessing))]
    (folder / PROBABILITIES_FILE).write_text(json.dumps(rows) + "\n", encoding="utf-8")
    return Golden(images=tuple(rows), probabilities=PROBABILITIES_FILE, tolerance=TOLERANCE)


def check_golden(bundle: Bundle, precision: Precision = Precision.FP32) -> float:
    """Return the largest absolute difference of any probability in a new session.

    Raises ParityError above the tolerance.
    """
    graph = open_graph(bundle.model_path(precision), precision)
    try:
        return bundle.check_golden(partial(classify_one, graph), precision)
    except BundleError as error:
        raise ParityError(str(error)) from error
