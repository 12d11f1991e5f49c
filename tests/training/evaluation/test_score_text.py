"""Scores in words."""

import pytest

from models.contract import Scores
from training.evaluation.score_text import images_behind, interval, percent, with_interval


@pytest.mark.parametrize(("images", "text"), [(None, "73.33%"), (2000, "73.33%"), (150, "73.3%"), (30, "73%")])
def test_a_percentage_has_the_decimals_that_its_images_allow(images: int | None, text: str) -> None:
    """One of thirty images is more than three points."""
    assert percent(22 / 30, images) == text


def test_a_share_has_the_interval_of_its_images() -> None:
    """Wilson's; six right ones of six may be a network that is right in two of three."""
    assert interval(1.0, 6) == "95 % interval 61.0 to 100.0 %"
    assert with_interval(0.5, 100) == "0.5000 (0.4038 to 0.5962)"
    assert (with_interval(0.5, None), with_interval(None, 100)) == ("0.5000", "")


def test_images_are_said_to_have_chosen_the_epoch() -> None:
    """Those for validation, by their source."""
    scores = Scores(measured=True, source="validation images of birds, which also chose the epoch", images=6)
    assert images_behind(scores) == "6 images, which also chose the epoch"
    assert images_behind(scores.model_copy(update={"source": "test set of birds", "images": 1})) == "1 image"
    assert images_behind(scores.model_copy(update={"images": None})) == ""
