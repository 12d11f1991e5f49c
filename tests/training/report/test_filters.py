"""The chapter on first-layer filters."""

import numpy as np

from training.report.filters import as_pixels, filters
from training.report.inputs import ReportInputs
from training.report.section import Gallery


def test_three_channels_are_colours_with_zero_in_the_middle() -> None:
    """Each filter is scaled by its own largest weight."""
    weights = np.zeros((2, 3, 1, 2), np.float32)
    weights[0, 0, 0, 0], weights[1, 2, 0, 1] = 4, -0.5
    pixels = as_pixels(weights)
    assert pixels[0].tolist() == [[[255, 128, 128], [128, 128, 128]]]
    assert pixels[1].tolist() == [[[128, 128, 128], [128, 128, 0]]]


def test_other_filters_are_orange_above_zero_and_purple_below() -> None:
    """Zero is nearly white."""
    above, zero, below = as_pixels(np.array([[[[1, 0, -1]]]], np.float32))[0, 0].astype(int)
    assert above[0] > above[2]
    assert below[2] > below[1]
    assert zero.min() > 240


def test_the_caption_counts_the_filters_of_the_network(inputs: ReportInputs) -> None:
    """32 of 3x3 over one channel."""
    (gallery,) = filters(inputs).parts
    assert isinstance(gallery, Gallery)
    assert gallery.figures[0].caption == "32 filters of 3×3×1"
