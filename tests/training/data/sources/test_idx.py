"""Reading IDX files, one by one and as a folder."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets import EMNIST

from tests.training.conftest import LABELS, idx, striped
from training.data.sources.idx import SPLITS, emnist_labels, read_idx, read_idx_folder, read_idx_test
from training.errors import DatasetError

IMAGES, NUMBERS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def test_plain_and_gzipped_files_read_the_same(dataset: Path) -> None:
    """A folder may hold either form of each file."""
    plain = read_idx(dataset, "train", len(LABELS))
    (dataset / f"{IMAGES}.gz").write_bytes(gzip.compress((dataset / IMAGES).read_bytes()))
    (dataset / IMAGES).unlink()
    zipped = read_idx(dataset, "train", len(LABELS))
    np.testing.assert_array_equal(plain.images, zipped.images)
    np.testing.assert_array_equal(plain.images[..., 0], striped(400, seed=1)[0])


def test_a_missing_file_is_named_with_what_to_do(tmp_path: Path) -> None:
    """The message names the file and the option."""
    with pytest.raises(DatasetError, match=rf"{IMAGES}.*--data"):
        read_idx(tmp_path, "train", len(LABELS))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: content[:-1], "it was cut or changed"),
        (lambda content: content + b"\0", "it was cut or changed"),
        (lambda content: content[:6], "not an IDX file"),
        (lambda content: b"", "not an IDX file"),
        (lambda content: b"\x89PNG" + content[4:], "not an IDX file"),
        (lambda content: idx(np.zeros((400,), np.uint8)), "not an IDX file"),
        (lambda content: content[:4] + b"\xff" * 12 + content[16:], "more than 8 GiB: it was cut or changed"),
        (lambda content: content[:7] + b"\xff" + content[8:], "it was cut or changed"),
        (
            lambda content: content[:2] + b"\x09" + content[3:],
            "holds signed bytes: write labels and pixels as unsigned",
        ),
        (lambda content: content[:2] + b"\x0d" + content[3:], "holds floats: write labels and pixels as unsigned"),
    ],
)
def test_a_damaged_file_is_refused(dataset: Path, damage: object, message: str) -> None:
    """Cut, extended, of another kind, or with absurd sizes: an error that names the file, never wrong pixels."""
    path = dataset / IMAGES
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(DatasetError, match=rf"{IMAGES}.*{message}"):
        read_idx(dataset, "train", len(LABELS))


def test_a_cut_gzip_file_is_refused(dataset: Path) -> None:
    """A download that broke off is not taken for a shorter data set."""
    packed = gzip.compress((dataset / NUMBERS).read_bytes())
    (dataset / NUMBERS).unlink()
    (dataset / f"{NUMBERS}.gz").write_bytes(packed[:-9])
    with pytest.raises(DatasetError, match="not a whole gzip file"):
        read_idx(dataset, "train", len(LABELS))


def test_images_and_labels_must_be_equally_many(dataset: Path) -> None:
    """Files of two different sets do not go together."""
    (dataset / NUMBERS).write_bytes(idx(np.zeros(399, np.uint8)))
    with pytest.raises(DatasetError, match="400 images but 399 labels"):
        read_idx(dataset, "train", len(LABELS))


def test_a_label_without_a_name_is_refused(dataset: Path) -> None:
    """More classes in the files than names for them stops the run before it starts."""
    with pytest.raises(DatasetError, match="labels from 0 to 2"):
        read_idx(dataset, "train", classes=3)


def write_emnist(folder: Path, split: str, labels: list[int]) -> Path:
    """A training part whose images are 3 wide and 2 high when upright, white in the upper right corner."""
    images = np.zeros((len(labels), 3, 2), np.uint8)
    images[:, 2, 0] = 255
    folder.mkdir(exist_ok=True)
    for kind, values in (("images-idx3", images), ("labels-idx1", np.array(labels, np.uint8))):
        (folder / f"emnist-{split}-train-{kind}-ubyte.gz").write_bytes(gzip.compress(idx(values)))
    return folder


def test_emnist_is_turned_upright(tmp_path: Path) -> None:
    """Its files hold every image with rows and columns exchanged."""
    arrays = read_idx_folder(write_emnist(tmp_path, "digits", list(range(10))))
    assert arrays.train.images.shape == (10, 2, 3, 1)
    assert (arrays.train.images[:, 0, 2, 0] == 255).all()
    assert arrays.metadata.labels == tuple("0123456789")
    assert arrays.test is None


def test_letters_of_emnist_count_from_1(tmp_path: Path) -> None:
    """The first letter becomes class 0, and is called a."""
    arrays = read_idx_folder(write_emnist(tmp_path, "letters", list(range(1, 27))))
    assert arrays.train.labels.tolist() == list(range(26))
    assert arrays.metadata.labels[0] == "a"


@pytest.mark.parametrize("split", ["letters", "digits"])
def test_a_wrong_label_of_emnist_is_refused(tmp_path: Path, split: str) -> None:
    """0 is no letter, and 27 is neither a letter nor a digit."""
    for label in (27, *([0] if split == "letters" else [])):
        with pytest.raises(DatasetError, match="labels from 0 to"):
            read_idx_folder(write_emnist(tmp_path, split, [label, 1, 2]))


def test_an_unknown_split_of_emnist_is_refused(tmp_path: Path) -> None:
    """Nobody knows what its classes are called."""
    with pytest.raises(DatasetError, match="no split 'klingon' of EMNIST: choose one of byclass"):
        read_idx_folder(write_emnist(tmp_path, "klingon", [0, 1]))


def test_two_sets_in_one_folder_are_refused(dataset: Path) -> None:
    """It is not for the program to choose."""
    write_emnist(dataset, "digits", [0, 1])
    with pytest.raises(DatasetError, match="holds several sets: keep the files of one of train, digits"):
        read_idx_folder(dataset)


def test_a_dot_in_the_name_will_do(dataset: Path) -> None:
    """Some downloads call the files train-images.idx3-ubyte."""
    expected = read_idx_folder(dataset).train.images
    for path in list(dataset.iterdir()):
        path.rename(dataset / path.name.replace("-idx", ".idx"))
    np.testing.assert_array_equal(read_idx_folder(dataset).train.images, expected)


def test_labels_without_names_are_called_by_their_numbers(dataset: Path) -> None:
    """As many as the training files have."""
    assert read_idx_folder(dataset).metadata.labels == ("0", "1", "2", "3")


def test_a_set_without_images_is_refused(dataset: Path) -> None:
    """A header that says zero is a whole file, but nothing to learn from."""
    (dataset / IMAGES).write_bytes(idx(np.zeros((0, 28, 28), np.uint8)))
    (dataset / NUMBERS).write_bytes(idx(np.zeros(0, np.uint8)))
    with pytest.raises(DatasetError, match="train has no images"):
        read_idx_folder(dataset)


def test_the_classes_of_emnist_are_those_of_torchvision() -> None:
    """Read without torchvision, which the environment of the service does not have."""
    assert set(SPLITS) == set(EMNIST.splits)
    for split in SPLITS:
        assert list(emnist_labels(split)) == [name for name in EMNIST.classes_split_dict[split] if name != "N/A"]


def test_the_test_images_are_read_alone(dataset: Path) -> None:
    """A folder without them is refused."""
    np.testing.assert_array_equal(read_idx_test(dataset, len(LABELS)).images[..., 0], striped(80, seed=2)[0])
    for path in dataset.glob("t10k-*"):
        path.unlink()
    with pytest.raises(DatasetError, match="has training images only"):
        read_idx_test(dataset, len(LABELS))
