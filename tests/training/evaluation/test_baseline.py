"""The baseline counts what the service will answer."""

import numpy as np
import pytest

from models.contract import BASELINE_CLASSES, CONFIDENCE_BOUNDS
from training.evaluation.baseline import measure_baseline


def certain(classes: list[int], of: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Probabilities [N, of] of a network that is certain of one class each."""
    return np.eye(of)[classes]


def test_classes_and_confidence_are_counted_by_the_most_probable_class() -> None:
    """A confidence on a bound belongs to the bin below it, as in Prometheus."""
    rows = np.array([[0.9, 0.1], [0.4, 0.6], [0.05, 0.95], [0.001, 0.999]])
    baseline = measure_baseline(rows, "four images")
    assert (baseline.measured_on, baseline.images, baseline.unfamiliar) == ("four images", 4, None)
    assert [(each.class_id, each.share) for each in baseline.classes] == [(0, 0.25), (1, 0.75)]
    assert baseline.other is None
    shares = dict(zip(baseline.bins, baseline.confidence, strict=True))
    assert {name for name, share in shares.items() if share} == {"0.5 to 0.6", "0.8 to 0.9", "0.9 to 0.95", "0.99 to 1"}
    assert baseline.bounds == CONFIDENCE_BOUNDS


def test_a_class_that_is_never_predicted_has_a_share() -> None:
    """Zero, so that the first image of it is a difference."""
    baseline = measure_baseline(certain([0, 0], of=3), "two images")
    assert [each.share for each in baseline.classes] == [1, 0, 0]


def test_fifty_classes_are_all_named() -> None:
    """None of them is left to `other`."""
    baseline = measure_baseline(certain(list(range(50)), of=50), "fifty images")
    assert (len(baseline.classes), baseline.other) == (BASELINE_CLASSES, None)


def test_of_more_classes_the_most_frequent_are_named() -> None:
    """The rest share one number; the order is that of the labels."""
    predicted = [*range(60), *range(11, 60)]
    baseline = measure_baseline(certain(predicted, of=60), "images")
    assert [each.class_id for each in baseline.classes] == list(range(11, 60))
    assert baseline.other == pytest.approx(11 / 109, abs=1e-4)
    assert baseline.misfit(60) is None


def test_more_classes_than_are_named_leave_nothing_to_the_others() -> None:
    """A network of 1,000 classes that answers few of them."""
    baseline = measure_baseline(certain([5, 5, 999], of=1000), "three images")
    shares = {each.class_id: each.share for each in baseline.classes}
    assert [shares[5], shares[999]] == pytest.approx([2 / 3, 1 / 3], abs=1e-5)
    assert len(shares) == BASELINE_CLASSES - 1
    assert baseline.other == pytest.approx(0, abs=1e-5)


def test_many_rounded_shares_still_sum_to_one() -> None:
    """So that what is written can be read."""
    predicted = np.random.default_rng(0).integers(0, 1000, 7001).tolist()
    baseline = measure_baseline(certain(predicted, of=1000), "7,001 images")
    assert sum(each.share for each in baseline.classes) + (baseline.other or 0) == pytest.approx(1, abs=1e-4)


def test_the_share_of_unfamiliar_images_is_measured_where_there_is_a_threshold() -> None:
    """One of four."""
    flags = np.array([True, False, False, False])
    assert measure_baseline(certain([0, 1, 0, 1], of=2), "four images", flags).unfamiliar == 0.25
