"""Resizing with vector instructions, compared with Pillow."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from models import resampling
from models.resampling import Box, resample

pytestmark = pytest.mark.skipif(not resampling.HAS_VECTORS, reason="cykooz-resizer has no wheel for this machine")
LARGEST = {"bilinear": 1, "bicubic": 2}
"""Largest difference of a value from Pillow's."""
WHOLE = (0.0, 0.0, 1.0, 1.0)


def noise(mode: str, width: int, height: int, seed: int = 0) -> Image.Image:
    """Every value is drawn, so that filters overshoot at both ends."""
    shape = (height, width, 3) if mode == "RGB" else (height, width)
    return Image.fromarray(np.random.default_rng(seed).choice([0, 1, 128, 254, 255], shape).astype(np.uint8))


def differences_of(image: Image.Image, size: tuple[int, int], interpolation: str, box: Box) -> NDArray[np.int16]:
    """Of all values, from Pillow's."""
    ours = np.asarray(resample(image, size, interpolation, box), np.int16)
    pillows = np.asarray(image.resize(size, Image.Resampling[interpolation.upper()], box=box), np.int16)
    assert ours.shape == pillows.shape
    differences: NDArray[np.int16] = np.abs(ours - pillows)
    return differences


def largest_difference(image: Image.Image, size: tuple[int, int], interpolation: str, box: Box) -> int:
    return int(differences_of(image, size, interpolation, box).max())


@st.composite
def parts(draw: st.DrawFn) -> Box:
    """Shares of width and height: left, upper, right, lower."""
    edge = st.floats(0, 1, width=32)
    left, right = sorted(draw(st.tuples(edge, edge).filter(lambda two: abs(two[0] - two[1]) > 0.02)))
    upper, lower = sorted(draw(st.tuples(edge, edge).filter(lambda two: abs(two[0] - two[1]) > 0.02)))
    return left, upper, right, lower


@given(
    mode=st.sampled_from(["L", "RGB"]),
    source=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    size=st.tuples(st.integers(1, 120), st.integers(1, 120)),
    interpolation=st.sampled_from([*LARGEST]),
    part=parts(),
    seed=st.integers(0, 9),
)
@settings(max_examples=100, deadline=None)
@example("RGB", (500, 375), (224, 224), "bicubic", (0.0625, 0.0, 0.9375, 1.0), 0)
@example("RGB", (333, 517), (224, 224), "bicubic", (0.0625, 0.218, 0.9375, 0.782), 0)
@example("L", (30, 300), (28, 28), "bicubic", WHOLE, 0)
@example("RGB", (1, 300), (24, 24), "bicubic", WHOLE, 0)
@example("RGB", (300, 1), (24, 24), "bilinear", WHOLE, 0)
def test_every_value_of_noise_is_near_pillows(
    mode: str, source: tuple[int, int], size: tuple[int, int], interpolation: str, part: Box, seed: int
) -> None:
    """For both filters, every size and part, whichever pass comes first.

    Weights of bicubic are negative too: a value that the first pass rounds otherwise counts more than once.
    """
    width, height = source
    box = (part[0] * width, part[1] * height, part[2] * width, part[3] * height)
    assert largest_difference(noise(mode, width, height, seed), size, interpolation, box) <= LARGEST[interpolation]


@pytest.mark.parametrize("interpolation", LARGEST)
@pytest.mark.parametrize("photo", sorted(Path("training/importing/photos").glob("*.jpg")), ids=lambda path: path.stem)
def test_nearly_every_value_of_a_photo_is_within_one_of_pillows(photo: Path, interpolation: str) -> None:
    """At the sizes of networks, from larger and smaller pictures, wide and tall: all but 20 in a million."""
    larger, values = 0, 0
    original = Image.open(photo).convert("RGB")
    for width, height in ((500, 375), (375, 500), (333, 517), (1280, 720), (160, 120)):
        image = original.resize((width, height))
        for size in ((224, 224), (96, 320), (320, 96), (28, 28)):
            unit = min(width / size[0], height / size[1]) * 0.875
            left, upper = (width - size[0] * unit) / 2, (height - size[1] * unit) / 2
            box = (left, upper, left + size[0] * unit, upper + size[1] * unit)
            differences = differences_of(image, size, interpolation, box)
            assert differences.max() <= LARGEST[interpolation]
            larger, values = larger + int((differences > 1).sum()), values + differences.size
    assert larger <= 20e-6 * values


def test_threads_resize_at_the_same_time() -> None:
    """Each with its own buffers, and with the same result."""
    images = [noise("RGB", 200, 150, seed) for seed in range(64)]
    alone = [resample(image, (64, 64), "bicubic", (0, 0, 200, 150)).tobytes() for image in images]
    with ThreadPoolExecutor(8) as pool:
        together = pool.map(lambda image: resample(image, (64, 64), "bicubic", (0, 0, 200, 150)).tobytes(), images)
        assert list(together) == alone


@pytest.mark.parametrize("mode", ["RGBA", "LA", "CMYK", "I;16"])
def test_other_modes_are_pillows(mode: str) -> None:
    """Alpha has to be multiplied before it is averaged, which Pillow does."""
    image = Image.new(mode, (40, 30), 7 if mode == "I;16" else None)
    assert resample(image, (8, 8), "bilinear", (0, 0, 40, 30)).tobytes() == (
        image.resize((8, 8), Image.Resampling.BILINEAR, box=(0, 0, 40, 30)).tobytes()
    )


def test_very_long_images_are_pillows() -> None:
    """The filter for them takes memory, and a worker that has none must be able to say so."""
    image = noise("L", 16_385, 2)
    assert largest_difference(image, (16, 16), "bicubic", (0, 0, 16_385, 2)) == 0


def test_without_the_package_pillow_resizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same call answers, on a machine for which there is no wheel."""
    monkeypatch.setattr(resampling, "HAS_VECTORS", False)
    assert largest_difference(noise("RGB", 100, 80), (24, 24), "bicubic", (1.5, 2, 90, 79.25)) == 0
