"""The reliability diagram draws what was measured."""

from pathlib import Path

import pytest
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from PIL import Image

from tests.training.known_truth import drawn
from training.calibration.diagram import reliability_figure
from training.metrics import reliability_bins, softmax

LOGITS, LABELS = drawn(500, sharpness=3.0)
BINS = reliability_bins(softmax(LOGITS), LABELS)


def bars(axes: Axes) -> list[Rectangle]:
    """In the order of drawing."""
    return [patch for patch in axes.patches if isinstance(patch, Rectangle)]


def test_bars_are_as_high_as_the_accuracies_and_the_shares_of_images() -> None:
    """Read back from the figure; each bar stands where its bin is."""
    above, below = reliability_figure(BINS).axes
    accuracy = bars(above)[: len(BINS)]
    assert [bar.get_height() for bar in accuracy] == [part.accuracy for part in BINS]
    assert [bar.get_x() for bar in accuracy] == [part.lower for part in BINS]
    assert sum(bar.get_height() for bar in bars(below)) == pytest.approx(1)


def test_the_gap_ends_at_the_mean_confidence() -> None:
    """Above the accuracy where the network was too sure, below it where it was not sure enough."""
    above, _ = reliability_figure(BINS).axes
    ends = [bar.get_y() + bar.get_height() for bar in bars(above)[len(BINS) :]]
    assert ends == pytest.approx([part.confidence for part in BINS])


def test_the_figure_is_saved_without_a_display(tmp_path: Path) -> None:
    """As a drawing or as pixels."""
    figure = reliability_figure(BINS)
    figure.savefig(tmp_path / "reliability.svg")
    figure.savefig(tmp_path / "reliability.png")
    assert "</svg>" in (tmp_path / "reliability.svg").read_text()
    with Image.open(tmp_path / "reliability.png") as image:
        assert min(image.size) > 300
