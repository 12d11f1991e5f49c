"""Class folders: which there are, and what is wrong with them."""

from pathlib import Path

import numpy as np
import pytest

from tests.training.data.conftest import CLASSES, write_class
from training.data.sources.folders import list_class_folders
from training.errors import DatasetError


def write_parts(root: Path, *parts: str) -> Path:
    for part in parts:
        for name in CLASSES:
            write_class(root / part / name, 2, seed=len(part))
    return root


def test_labels_are_the_names_of_the_folders_sorted(photos: Path) -> None:
    """Capitals, spaces and other scripts stay as they are; every image is for training."""
    for name in ("Zebra", "ärmel lang", "猫"):
        write_class(photos / name, 1)
    listing = list_class_folders(photos)
    assert listing.metadata.labels == ("Zebra", "ant", "bee", "cat", "ärmel lang", "猫")
    assert np.bincount(listing.labels).tolist() == [1, 20, 20, 20, 1, 1]
    assert set(listing.parts) == {"train"}


def test_given_labels_decide_the_order(photos: Path) -> None:
    """They have to be those of the folders."""
    assert list_class_folders(photos, ("cat", "ant", "bee")).metadata.labels == ("cat", "ant", "bee")


def test_decomposed_names_are_the_same_as_composed_ones(photos: Path) -> None:
    """A folder made on a Mac fits a label typed elsewhere."""
    write_class(photos / "a\u0308rmel", 1)
    assert list_class_folders(photos, ("\u00e4rmel", *CLASSES)).metadata.labels[0] == "\u00e4rmel"


@pytest.mark.parametrize("validation", ["val", "valid", "Validation"])
def test_folders_of_parts_are_found(tmp_path: Path, validation: str) -> None:
    """Under any of the names that people give them."""
    listing = list_class_folders(write_parts(tmp_path, "train", validation, "test"))
    parts, counts = np.unique(listing.parts, return_counts=True)
    assert dict(zip(parts, counts, strict=True)) == {"train": 6, "validation": 6, "test": 6}
    assert listing.metadata.labels == CLASSES


def test_train_may_be_a_class(photos: Path) -> None:
    """Beside others that are no parts: trains are vehicles."""
    write_class(photos / "train", 3)
    assert list_class_folders(photos).metadata.labels == (*CLASSES, "train")


def test_litter_and_hidden_files_are_passed_over(photos: Path) -> None:
    """What file managers and notebooks leave behind is no picture and no class."""
    (photos / "ant" / ".DS_Store").write_bytes(b"litter")
    (photos / "ant" / "Thumbs.db").write_bytes(b"litter")
    write_class(photos / ".ipynb_checkpoints", 1)
    write_class(photos / "bee" / ".thumbnails", 1)
    assert len(list_class_folders(photos)) == 60


def test_pictures_in_deeper_folders_belong_to_the_class(photos: Path) -> None:
    """As one gets them from a camera."""
    write_class(photos / "ant" / "2024" / "spring", 4)
    assert (list_class_folders(photos).labels == 0).sum() == 24


def test_a_class_folder_may_be_a_link(photos: Path, tmp_path: Path) -> None:
    """Pictures are often kept elsewhere."""
    write_class(tmp_path / "elsewhere", 3)
    (photos / "dog").symlink_to(tmp_path / "elsewhere")
    assert (list_class_folders(photos).labels == 3).sum() == 3


def test_circles_of_links_end(photos: Path) -> None:
    """A link below a class is not followed, one that points to itself is a file that cannot be read."""
    (photos / "ant" / "again").symlink_to(photos)
    (photos / "ant" / "itself").symlink_to(photos / "ant" / "itself")
    assert len(list_class_folders(photos)) == 61


def test_a_class_that_holds_its_own_data_set_is_refused(photos: Path) -> None:
    """All images would be of that class too."""
    (photos / "all").symlink_to(photos)
    with pytest.raises(DatasetError, match="all is a link to a folder around it: remove the link"):
        list_class_folders(photos)


def test_an_empty_class_is_refused(photos: Path) -> None:
    """Rather than a class that is never predicted."""
    (photos / "dog").mkdir()
    with pytest.raises(DatasetError, match=r"the class folder .*dog is empty: put images into it, or remove it"):
        list_class_folders(photos)


def test_one_class_is_refused(tmp_path: Path) -> None:
    """There is nothing to tell apart."""
    write_class(tmp_path / "ant", 3)
    with pytest.raises(DatasetError, match="only one class, 'ant': a classifier needs at least two"):
        list_class_folders(tmp_path)


def test_a_folder_without_class_folders_is_refused(tmp_path: Path) -> None:
    """Pictures side by side have no labels."""
    write_class(tmp_path, 3)
    with pytest.raises(DatasetError, match="no class folders: put the images of each class into a folder of its name"):
        list_class_folders(tmp_path)


def test_what_is_neither_a_part_nor_a_class_is_refused(tmp_path: Path) -> None:
    """With train and test there, a third folder may be anything."""
    write_parts(tmp_path, "train", "test", "extra")
    with pytest.raises(DatasetError, match="has extra beside test, train: move away"):
        list_class_folders(tmp_path)


def test_a_class_only_in_the_test_part_is_refused(tmp_path: Path) -> None:
    """The network cannot have learnt it."""
    write_parts(tmp_path, "train", "test")
    write_class(tmp_path / "test" / "dog", 1)
    with pytest.raises(DatasetError, match="dog is of a class that has no training images"):
        list_class_folders(tmp_path)


def test_parts_without_one_for_training_are_refused(tmp_path: Path) -> None:
    """They were taken for classes once; as classes they have to be named."""
    write_parts(tmp_path, "val", "Testing")
    with pytest.raises(DatasetError, match="has no training images, only those for test, validation: add a folder"):
        list_class_folders(tmp_path)
    assert list_class_folders(tmp_path, ("val", "Testing")).metadata.labels == ("val", "Testing")


def test_classes_divided_into_parts_are_listed_by_part(tmp_path: Path) -> None:
    """Training images first, whatever the names of the folders: the seed draws from this order."""
    for name in CLASSES:
        for part in ("dev", "train"):
            write_class(tmp_path / name / part, 2, seed=len(part))
    listing = list_class_folders(tmp_path)
    assert listing.metadata.labels == CLASSES
    assert listing.parts.tolist() == ["train"] * 6 + ["validation"] * 6


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (("ant", "bee"), "has the class 'cat', which is not among the labels: ant, bee"),
        (("ant", "bee", "cat", "dog"), "has no class 'dog', which is among the labels; it has ant, bee, cat"),
        (("ant", "bee", "cat", "cat"), "two classes are called 'cat'"),
    ],
)
def test_labels_that_differ_from_the_folders_are_refused(photos: Path, labels: tuple[str, ...], message: str) -> None:
    """Each way round."""
    with pytest.raises(DatasetError, match=message):
        list_class_folders(photos, labels)


@pytest.mark.parametrize("name", ["two\nlines", "\x1b[31mred", "\udce9", " "])
def test_a_name_that_cannot_be_shown_is_refused(photos: Path, name: str) -> None:
    """Labels go into JSON and onto terminals."""
    write_class(photos / name, 1)
    with pytest.raises(DatasetError, match="cannot be the name of a class: rename it") as error:
        list_class_folders(photos)
    assert str(error.value).isprintable()


def test_blanks_at_the_ends_of_names_make_no_class(photos: Path) -> None:
    """The folders are one class, and a note names them; what lies beside class folders is counted."""
    write_class(photos / "cat ", 3, seed=1)
    write_class(photos / " dog", 3)
    for name in ("readme.txt", "labels.csv", "more.csv", "Thumbs.db"):
        (photos / name).touch()
    listing = list_class_folders(photos)
    assert listing.metadata.labels == ("ant", "bee", "cat", "dog")
    assert (listing.labels == 2).sum() == 23
    assert listing.notes == (
        "passed over 3 files beside the class folders: 2 .csv, 1 .txt",
        "passed over what systems and file managers leave behind: 1 Thumbs.db",
        "blanks at the ends of names of folders do not count: ' dog' is the class 'dog', 'cat ' is the class 'cat'",
    )


def test_folders_that_are_numbers_are_in_their_order(tmp_path: Path) -> None:
    """Class 2 is the third of 0, 1, 2, 10."""
    for name in ("0", "1", "2", "10"):
        write_class(tmp_path / name, 1)
    listing = list_class_folders(tmp_path)
    assert listing.metadata.labels == ("0", "1", "2", "10")
    assert [path.parent.name for path in listing.paths] == [listing.metadata.labels[n] for n in listing.labels]


def test_what_systems_leave_behind_is_counted_by_kind(photos: Path) -> None:
    """Above the classes and in them; a folder counts as one."""
    for name in (".DS_Store", "ant/.DS_Store", "ant/._000.png", "bee/Thumbs.db", "bee/@eaDir/000.png/thumb.jpg"):
        (photos / name).parent.mkdir(parents=True, exist_ok=True)
        (photos / name).touch()
    listed = list_class_folders(photos)
    assert len(listed) == 60
    assert listed.notes == (
        "passed over what systems and file managers leave behind: 2 .DS_Store, 1 ._*, 1 @eaDir, 1 Thumbs.db",
    )
