"""Folders told apart as classes and parts."""

from pathlib import Path

import pytest

from tests.training.data.conftest import CLASSES, write_class
from training.data.sources.layout import ClassFolder, find_class_folders
from training.errors import DatasetError


def write(root: Path, *folders: str) -> Path:
    for folder in folders:
        write_class(root / folder, 1, seed=len(folder))
    return root


def write_parts(root: Path, *parts: str) -> Path:
    return write(root, *(f"{part}/{name}" for part in parts for name in CLASSES))


def found(root: Path, *known: str, strict: bool = True) -> dict[tuple[str | None, str], str]:
    """Part and class -> path below root."""
    folders: list[ClassFolder] = find_class_folders(root, known, strict=strict)
    return {(each.part, each.name): str(each.path.relative_to(root)) for each in folders}


@pytest.mark.parametrize(
    ("train", "other", "part"),
    [
        ("Training", "Testing", "test"),
        ("train", "eval", "validation"),
        ("train", "dev", "validation"),
        ("seg_train", "seg_test", "test"),
        ("train_set", "test_set", "test"),
        ("train", "holdout", "test"),
        ("TRN", "VALID", "validation"),
    ],
)
def test_parts_above_the_classes_are_known_by_their_usual_names(
    tmp_path: Path, train: str, other: str, part: str
) -> None:
    """In any case; their classes are the folders inside."""
    folders = found(write_parts(tmp_path, train, other))
    assert folders == {
        (which, name): f"{top}/{name}" for which, top in (("train", train), (part, other)) for name in CLASSES
    }


def test_parts_below_the_classes_are_parts_too(tmp_path: Path) -> None:
    """As in cat/train and cat/test: the test images are never trained on."""
    folders = found(write(tmp_path, *(f"{name}/{part}" for name in CLASSES for part in ("Train", "test"))))
    assert folders == {(part.lower(), name): f"{name}/{part}" for name in CLASSES for part in ("Train", "test")}


def test_a_part_may_lie_in_a_folder_of_its_name(tmp_path: Path) -> None:
    """Archives often have one folder too many."""
    folders = found(write_parts(tmp_path, "seg_train/seg_train", "seg_test/seg_test"))
    assert folders["train", "ant"] == "seg_train/seg_train/ant"


def test_one_name_of_a_part_among_other_classes_is_a_class(tmp_path: Path) -> None:
    """Trains are vehicles."""
    assert found(write(tmp_path, "car", "train")) == {(None, "car"): "car", (None, "train"): "train"}


@pytest.mark.parametrize("strict", [True, False])
def test_known_classes_are_classes_whatever_they_look_like(tmp_path: Path, *, strict: bool) -> None:
    """The names of the labels decide."""
    assert set(found(write(tmp_path, "dev", "test"), "dev", "test", "ops", strict=strict)) == {
        (None, "dev"),
        (None, "test"),
    }


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (
            ("entrenar/a", "entrenar/b", "prueba/a", "prueba/b"),
            r"entrenar, prueba look like parts .* same folders, a, b",
        ),
        (("one/a", "one/b", "one/c", "two/a", "two/b"), "one, two look like parts of the data, not like classes"),
        (("a", "b", "test/a", "test/b"), "test holds a, b, as the classes beside it: keep them apart"),
        (("data/a", "data/b"), "has one folder only, data, whose folders look like the classes: give .*data"),
        (("set/train/a", "set/train/b", "set/test/a", "set/test/b"), "set/test hold a, b, .* the classes: give .*set$"),
        (
            (
                "one/train/a",
                "one/train/b",
                "one/val/a",
                "one/val/b",
                "two/train/a",
                "two/train/b",
                "two/val/a",
                "two/val/b",
            ),
            "one/train hold a, b, .* give .*one or .*two, or say with --labels that one, two are the classes",
        ),
    ],
)
def test_folders_that_look_like_parts_are_refused(tmp_path: Path, folders: tuple[str, ...], message: str) -> None:
    """However they are called; with --labels, or where unknown classes are refused anyway, they are classes."""
    write(tmp_path, *folders)
    with pytest.raises(DatasetError, match=message):
        found(tmp_path)
    tops = {folder.partition("/")[0] for folder in folders}
    assert {name for _, name in found(tmp_path, *tops)} == tops
    assert {name for _, name in found(tmp_path, strict=False)} == tops


@pytest.mark.parametrize(
    "folders",
    [
        ("ant/2023", "ant/2024", "bee/2023", "bee/2024", "bee"),
        ("ant/images", "bee/images"),
        ("ant/day", "ant/night", "bee/day", "bee/dusk"),
        ("ant/train/day", "ant/test/day", "bee/train/day", "bee/test/day"),
    ],
)
def test_deeper_folders_of_classes_are_no_parts(tmp_path: Path, folders: tuple[str, ...]) -> None:
    """Where a class has images of its own, or the folders inside differ, or there is only one."""
    assert {name for _, name in found(write(tmp_path, *folders))} == {"ant", "bee"}


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (("train/a", "train/b", "test/a", "extra/a"), "has extra beside test, train: move away"),
        (("train/a", "val/a", "valid/a"), "val and valid are the same part, validation: join the two, or rename"),
        (("a/train", "a/test", "b"), "a is divided into test, train, but b is not: divide every class"),
        (("a/train", "a/test", "a", "b/train"), "a has images beside test, train: move them into one of these"),
        (("a", "a/test", "b"), "a is divided into test, but b is not"),
    ],
)
def test_half_of_an_arrangement_is_refused(tmp_path: Path, folders: tuple[str, ...], message: str) -> None:
    """Nothing of a test part slips into the training images."""
    write(tmp_path, *folders)
    for strict in (True, False):
        with pytest.raises(DatasetError, match=message):
            found(tmp_path, strict=strict)


def test_a_test_part_without_classes_is_refused(tmp_path: Path) -> None:
    """As competitions give it: its images have no labels."""
    write(write_parts(tmp_path, "train"), "test")
    with pytest.raises(DatasetError, match=r"test has images, but no class folders: .* move the folder away where"):
        found(tmp_path)


def test_a_class_folder_that_is_a_broken_link_is_refused(tmp_path: Path) -> None:
    """The class would be missing without a word."""
    write(tmp_path, *CLASSES)
    (tmp_path / "dog").symlink_to(tmp_path / "nothing")
    with pytest.raises(DatasetError, match="dog is a link to nothing: repair or remove it"):
        found(tmp_path)
