"""The reliability diagram draws what was measured."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import Rectangle
from PIL import Image

from models.contract import ReliabilityBin
from tests.training.evaluation.known_truth import drawn
from training.evaluation.metrics import reliability_bins, softmax
from training.report.reliability_diagram import reliability_figure

LOGITS, LABELS = drawn(500, sharpness=3.0)
BINS = reliability_bins(softmax(LOGITS), LABELS)


def bars(axes: Axes) -> list[Rectangle]:
    """In the order of drawing."""
    return [patch for patch in axes.patches if isinstance(patch, Rectangle)]


def test_bars_are_as_high_as_the_accuracies_and_the_numbers_of_images() -> None:
    """Read back from the figure; each bar stands where its bin is."""
    above, below = reliability_figure(BINS).axes
    accuracy = bars(above)[: len(BINS)]
    assert [bar.get_height() for bar in accuracy] == [part.accuracy for part in BINS]
    assert [bar.get_x() for bar in accuracy] == [part.lower for part in BINS]
    assert [bar.get_height() for bar in bars(below)] == [part.images for part in BINS]


def test_the_gap_ends_at_the_mean_confidence() -> None:
    """Above the accuracy where the network was too sure, below it where it was not sure enough."""
    above, _ = reliability_figure(BINS).axes
    ends = [bar.get_y() + bar.get_height() for bar in bars(above)[len(BINS) :]]
    assert ends == pytest.approx([part.confidence for part in BINS])


def test_the_interval_of_an_accuracy_is_wide_where_images_are_few() -> None:
    """Wilson's: 3 of 4 may be 30 % or 95 %, 750 of 1,000 may not; none leaves the scale."""
    few = ReliabilityBin(lower=0.2, upper=0.3, confidence=0.25, accuracy=0.75, images=4)
    many = few.model_copy(update={"images": 1000})
    none = few.model_copy(update={"accuracy": 0.0})
    above, _ = reliability_figure([few, many, none]).axes
    (lines,) = (part for part in above.collections if isinstance(part, LineCollection))
    ends = [end for segment in lines.get_segments() for end in np.asarray(segment)[:, 1]]
    assert ends == pytest.approx([0.3006, 0.9544, 0.7222, 0.7758, 0.0, 0.4899], abs=1e-4)


def test_the_figure_is_saved_without_a_display(tmp_path: Path) -> None:
    """As a drawing or as pixels."""
    figure = reliability_figure(BINS)
    figure.savefig(tmp_path / "reliability.svg")
    figure.savefig(tmp_path / "reliability.png")
    assert "</svg>" in (tmp_path / "reliability.svg").read_text()
    with Image.open(tmp_path / "reliability.png") as image:
        assert min(image.size) > 300
