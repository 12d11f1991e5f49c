"""The names of the classes of weights of others."""

from pathlib import Path

import pytest

from training.errors import TrainingError
from training.importing.guesses import Guess
from training.pretrained.class_names import name_classes


def named(classes: int, labels: Path | None) -> tuple[tuple[str, ...], list[Guess]]:
    guesses = list[Guess]()
    return name_classes(classes, "fc.weight of a.pth", labels, guesses.append), guesses


def test_classes_without_names_are_numbered_and_it_is_said() -> None:
    """A thousand are those of ImageNet."""
    names, guesses = named(3, None)
    assert names == ("class 0", "class 1", "class 2")
    assert guesses[0] == ("classes", "3", "fc.weight of a.pth")
    assert "give a file of labels with --labels" in guesses[1].reason
    assert named(1000, None)[0][293] == "cheetah"


def test_another_number_of_labels_is_refused_with_both_numbers(tmp_path: Path) -> None:
    """They would be wrong for every class behind the first that is missing."""
    (tmp_path / "labels.txt").write_text("a\nb\n")
    assert named(2, tmp_path / "labels.txt")[0] == ("a", "b")
    with pytest.raises(TrainingError, match="has 2 labels, but fc.weight of a.pth has 7 classes"):
        named(7, tmp_path / "labels.txt")


def test_one_class_is_no_classifier() -> None:
    """Its softmax is always 1."""
    with pytest.raises(TrainingError, match="has 1 class, and a classifier has two or more: export an ONNX"):
        named(1, None)
