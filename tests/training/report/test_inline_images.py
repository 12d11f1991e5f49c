"""Arrays as images embedded in the page."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from training.report.inline_images import coloured, enlarged, mosaic, picture


def test_a_tiny_image_is_embedded_without_loss_and_with_hard_edges() -> None:
    """What the page holds is what was given; the text alternative is escaped."""
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    html = picture(pixels, 'a "photo"')
    assert html.endswith('alt="a &#34;photo&#34;" width="7" height="5" class="sharp">')
    encoded = base64.b64decode(html.partition("base64,")[2].partition('"')[0])
    with Image.open(io.BytesIO(encoded)) as image:
        np.testing.assert_array_equal(np.asarray(image), pixels)


def test_a_large_image_is_smooth_unless_it_is_asked_for() -> None:
    """Hard edges are for maps and filters."""
    pixels = np.zeros((100, 8, 1), np.uint8)
    assert "sharp" not in picture(pixels, "x")
    assert "sharp" in picture(pixels, "x", sharp=True)


def test_tiles_lie_in_rows_with_transparent_gaps() -> None:
    """Three tiles of one pixel in two columns, each enlarged to 20, with a gap of 2."""
    tiles = np.array([10, 20, 30], np.uint8).reshape(3, 1, 1, 1).repeat(3, axis=3)
    sheet = mosaic(tiles, columns=2, side=20)
    assert sheet.shape == (42, 42, 4)
    assert (sheet[0, 0].tolist(), sheet[0, 22].tolist(), sheet[22, 0].tolist()) == (
        [10, 10, 10, 255],
        [20, 20, 20, 255],
        [30, 30, 30, 255],
    )
    assert sheet[0, 20].tolist() == sheet[41, 41].tolist() == [0, 0, 0, 0]


def test_values_become_colours_and_larger_maps() -> None:
    """Black is 0 of a grey colour map, white is 1."""
    assert coloured(np.array([0.0, 1.0]), "gray").tolist() == [[0, 0, 0], [255, 255, 255]]
    assert enlarged(np.ones((2, 3)), width=6, height=5) == pytest.approx(np.ones((5, 6)))
