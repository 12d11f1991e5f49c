"""What is no better than guessing."""

import numpy as np
import pytest

from training.evaluation.chance import no_better_than_chance


@pytest.mark.parametrize(
    ("hits", "guessing"), [(0, True), (40, True), (50, True), (51, False), (120, False)], ids=lambda value: f"{value}"
)
def test_accuracy_has_to_be_above_chance_by_more_than_its_uncertainty(hits: int, guessing: bool) -> None:
    """Of 120 images in three equal classes, 50 right ones may be luck: their interval reaches down to a third."""
    assert (no_better_than_chance(hits, np.arange(120) % 3) is not None) == guessing


def test_chance_is_the_share_of_the_most_frequent_class() -> None:
    """Nine in ten are right by always saying the same; the sentence has all numbers."""
    labels = (np.arange(100) < 10).astype(np.int64)
    sentence = no_better_than_chance(92, labels)
    assert sentence == (
        "no better than guessing, as far as 100 held-out images tell: 92 of them classified correctly (95 % interval "
        "85 to 96 %), where always answering the most frequent class would be right for 90 %"
    )
    assert no_better_than_chance(99, labels) is None


def test_the_chance_of_thousands_of_classes_is_not_shown_as_nothing() -> None:
    """Below one percent there are two decimals."""
    sentence = no_better_than_chance(1, np.arange(10_000) % 5_000)
    assert sentence is not None
    assert sentence.endswith(
        "(95 % interval 0.00 to 0.06 %), where always answering the most frequent class would be right for 0.02 %"
    )
