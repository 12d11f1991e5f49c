"""When a calibration is called weak, and with which words."""

import numpy as np
import pytest

from training.evaluation.weak_calibration import weakness


@pytest.mark.parametrize(
    ("images", "of_classes", "expected"),
    [
        (200, [190, 10], None),
        (37, [36, 1], "fitted on 37 images; at least 200 are needed"),
        (1, [1, 0], "fitted on 1 image; at least 200 are needed"),
        (300, [297, 3], "class 'cat' has 3 images; at least 10 are needed"),
        (300, [299, 1], "class 'cat' has 1 image; at least 10 are needed"),
    ],
)
def test_the_count_and_what_is_needed_are_named(images: int, of_classes: list[int], expected: str | None) -> None:
    """Images in all first, then those of the class with fewest."""
    assert weakness(images, np.array(of_classes), ("ant", "cat")) == expected


def test_other_small_classes_are_counted() -> None:
    """Without names, the class is called by its number."""
    assert weakness(900, np.array([9, 880, 2, 9])) == (
        "class 2 has 2 images; at least 10 are needed (and 2 more classes have fewer than that)"
    )
    assert weakness(900, np.array([2, 890, 8])) == (
        "class 0 has 2 images; at least 10 are needed (and 1 more class has fewer than that)"
    )
