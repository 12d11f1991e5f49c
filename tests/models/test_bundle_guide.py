"""The listing in docs/bundle.md prepares pictures as this project does."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from models.contract import Colour, Input, Preprocessing, preprocess
from tests.support.pictures import encoded
from tests.support.tutorial import ROOT, python_code

SIZES = [(150, 100), (1, 200), (1, 1), (900, 6), (31, 33)]
MODES = ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"]
WAYS = [
    Preprocessing(resize="crop", crop_fraction=0.875, interpolation="bilinear"),
    Preprocessing(resize="squash", background=(255, 0, 0)),
    Preprocessing(resize="pad", pad_colour=(10, 200, 90), background=(255, 0, 0)),
    Preprocessing(resize="pad", pad_colour=(10, 200, 90), interpolation="lanczos", bits=12),
]
INPUTS = [Input(colour=Colour.RGB, height=32, width=96), Input(colour=Colour.L, height=40, width=24)]

Prepare = Callable[[Image.Image, dict[str, object]], NDArray[np.uint8]]


@pytest.fixture(scope="module", name="prepare")
def function_of_the_document() -> Prepare:
    """The function of the document, which knows nothing of this project."""
    names: dict[str, Prepare] = {}
    code = python_code("The same pixels without Snellen", ROOT / "docs/bundle.md")
    exec(compile(code, "docs/bundle.md", "exec"), names)
    return names["prepare"]


def gradient(mode: str, size: tuple[int, int]) -> Image.Image:
    """A smooth picture, with an alpha channel from end to end where the mode has one; of I;16 with 12 bits and more."""
    width, height = size
    y, x = np.mgrid[0:height, 0:width]
    planes = [x * 255 / max(1, width - 1), y * 255 / max(1, height - 1), (x + y) * 255 / max(1, width + height - 2)]
    if mode == "I;16":
        return Image.fromarray((planes[2] * 18).astype(np.uint16))
    image = Image.fromarray(np.stack(planes, 2).astype(np.uint8))
    if mode in ("LA", "RGBA"):
        image.putalpha(Image.fromarray(planes[0].astype(np.uint8)))
    return image.convert(mode)


@pytest.mark.parametrize("how", WAYS, ids=lambda how: f"{how.resize} {how.interpolation}")
@pytest.mark.parametrize("target", INPUTS, ids=["wide RGB", "tall grey"])
def test_the_listing_gives_the_same_pixels(target: Input, how: Preprocessing, prepare: Prepare) -> None:
    """Of all pixel formats, sizes and orientations; within the 2 levels by which resizing may differ."""
    manifest: dict[str, object] = {"input": target.model_dump(mode="json"), "preprocessing": how.model_dump()}
    for mode in MODES:
        for size in SIZES:
            for orientation in (1, 7):
                exif = Image.Exif()
                exif[0x0112] = orientation
                body = encoded(gradient(mode, size), "TIFF" if mode == "CMYK" else "PNG", exif=exif)
                expected = preprocess(Image.open(io.BytesIO(body)), target, how)
                pixels = prepare(Image.open(io.BytesIO(body)), manifest)
                assert pixels.shape == (1, *target.shape)
                difference = np.abs(pixels[0].astype(int) - expected)
                assert difference.max() <= 2, (mode, size, orientation)
                assert difference.mean() < 0.1, (mode, size, orientation)


@pytest.mark.parametrize("how", WAYS, ids=lambda how: f"{how.resize} {how.interpolation}")
def test_the_listing_is_close_for_large_jpegs(how: Preprocessing, prepare: Prepare) -> None:
    """The document says by how much scaled decoding differs on average."""
    body = encoded(gradient("RGB", (1600, 1100)), "JPEG", quality=95)
    manifest: dict[str, object] = {"input": INPUTS[0].model_dump(mode="json"), "preprocessing": how.model_dump()}
    expected = preprocess(Image.open(io.BytesIO(body)), INPUTS[0], how)
    assert np.abs(prepare(Image.open(io.BytesIO(body)), manifest)[0].astype(int) - expected).mean() < 2
