"""The chapter on feature maps."""

import numpy as np

from training.report.feature_maps import SHOWN_LAYERS, feature_maps, strongest
from training.report.inputs import ReportInputs
from training.report.section import Gallery


def test_the_most_varied_maps_come_first_each_stretched_to_its_range() -> None:
    """A constant map is last, and not divided by zero."""
    maps = np.array([[[0, 1]], [[5, 5]], [[-10, 10]]], np.float32)
    assert strongest(maps, 2).tolist() == [[[0, 1]], [[0, 1]]]
    assert strongest(maps, 3)[2].tolist() == [[0, 0]]
    assert strongest(np.array([[[0, 1, 2]]], np.float32), 1).tolist() == [[[0, 0.5, 1]]]


def test_a_chapter_shows_the_photo_and_a_figure_for_each_layer(inputs: ReportInputs) -> None:
    """Layers are numbered from 1."""
    (gallery,) = feature_maps(inputs).parts
    assert isinstance(gallery, Gallery)
    captions = [figure.caption for figure in gallery.figures]
    assert captions == [inputs.photos[0].name, *(f"Layer {depth}" for depth in range(1, SHOWN_LAYERS + 1))]
