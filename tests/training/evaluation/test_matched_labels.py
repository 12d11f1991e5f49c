"""Classes of two bundles, matched by their labels."""

from unicodedata import normalize

from training.evaluation.matched_labels import match_labels


def test_equal_labels_keep_their_places() -> None:
    """Also where two classes share a label."""
    matched = match_labels(["crane", "crane", "dog"], ["crane", "crane", "dog"])
    assert matched.labels == ("crane", "crane", "dog")
    assert matched.second.tolist() == [0, 1, 2]
    assert not matched.reordered
    assert matched.unique_labels == ("crane (class 0)", "crane (class 1)", "dog")


def test_classes_of_another_order_are_found() -> None:
    """Letter by letter, in whatever form of Unicode."""
    matched = match_labels(["red", "café", "blue"], ["blue", "red", normalize("NFD", "café")])
    assert matched.second.tolist() == [2, 0, 1]
    assert matched.reordered
    assert (matched.only_first, matched.only_second) == ((), ())


def test_classes_of_one_bundle_only_come_last() -> None:
    """They are no shared ones, and alone make no other order."""
    matched = match_labels(["red", "green", "blue"], ["white", "green", "blue", "Red"])
    assert matched.labels == ("red", "green", "blue", "white", "Red")
    assert matched.second.tolist() == [3, 1, 2, 4]
    assert matched.shared.tolist() == [1, 2]
    assert (matched.only_first, matched.only_second) == (("red",), ("white", "Red"))
    assert not matched.reordered


def test_a_label_of_more_classes_in_one_bundle_is_matched_once() -> None:
    """The second class of that label has no counterpart."""
    matched = match_labels(["crane", "dog"], ["crane", "dog", "crane"])
    assert (matched.second.tolist(), matched.only_second) == ([0, 1, 2], ("crane",))
