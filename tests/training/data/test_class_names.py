"""Names in a data set, matched with the labels of a bundle."""

import pytest

from training.data.class_names import match_classes
from training.errors import DatasetError

LABELS = ("ant", "T-shirt/top", "crane", "bee", "crane", "2", "é")


def test_a_name_is_a_label_or_a_class_id() -> None:
    """Letter by letter, or a number from 0; a label comes first, and accents may be composed or not."""
    assert match_classes(["bee", "1", "004", "e\u0301"], LABELS, "photos") == {"bee": 3, "1": 1, "004": 4, "e\u0301": 6}
    assert match_classes(["bee", "2"], LABELS, "photos") == {"bee": 3, "2": 5}


def test_a_label_of_two_classes_needs_the_class_id() -> None:
    """Both numbers are named."""
    with pytest.raises(DatasetError, match="photos: 'crane' is the label of 2 classes: .* class_id instead, 2 or 4"):
        match_classes(["crane"], LABELS, "photos")


def test_names_that_are_no_class_are_listed_with_the_nearest_label() -> None:
    """All of them at once, at most five by name."""
    with pytest.raises(DatasetError) as raised:
        match_classes(["bee", "Ant", "T-shirt_top", "7", "zebra", "yak", "emu", "gnu"], LABELS, "photos")
    assert str(raised.value).startswith(
        "photos: 'Ant' (nearest label: 'ant', class_id 0), 'T-shirt_top' (nearest label: 'T-shirt/top', class_id 1), "
        "'7', 'zebra', 'yak' and 2 more are no classes of the bundle: write the label of a class, or its class_id "
        "from 0 to 6; the labels are ant, T-shirt/top"
    )


def test_labels_and_class_ids_are_not_mixed_where_they_contradict() -> None:
    """Folders 0 to 9 for the labels 1 to 10 would each be the class before theirs."""
    labels = [str(number) for number in range(1, 11)]
    assert match_classes(labels, labels, "photos") == {label: place for place, label in enumerate(labels)}
    with pytest.raises(DatasetError, match="photos: '0' is a class_id and no label, but '1' is the label of class 0"):
        match_classes([str(number) for number in range(10)], labels, "photos")
    assert match_classes(["0", "1", "2"], ["a", "1", "c"], "photos") == {"0": 0, "1": 1, "2": 2}


def test_a_long_number_is_no_class_id() -> None:
    """Python reads numbers of at most 4,300 digits."""
    with pytest.raises(DatasetError, match="is no class of the bundle"):
        match_classes(["9" * 5000], LABELS, "photos")
