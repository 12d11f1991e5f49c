"""Data sets with a name: what is installed, what torchvision finds in the cache, and downloads that fail."""

import hashlib
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets import CIFAR10

from tests.training.conftest import idx
from training.data.dataset import open_dataset
from training.data.sources.idx import DEBIAN
from training.data.sources.named import NAMES, exclusive_lock, open_named
from training.errors import DatasetError

_SECOND = """
import sys
from pathlib import Path
from training.data.sources.named import exclusive_lock
cache = Path(sys.argv[1])
print("here", flush=True)
with exclusive_lock(cache):
    print((cache / "data").read_text(), flush=True)
"""


def write_raw(
    cache: Path, folder: str, train: str = "train", test: str = "t10k", first: int = 0, classes: int = 10
) -> None:
    """Files such as torchvision leaves behind: 5 images of 2x3 a class to train on, 1 to test, all different."""
    raw = cache / folder / "raw"
    raw.mkdir(parents=True)
    for part, each, start in ((train, 5, 0), (test, 1, 5 * classes)):
        count = each * classes
        images = np.arange(start, start + count, dtype=">u2")[:, None].repeat(3, 1).view(np.uint8).reshape(count, 2, 3)
        labels = (np.arange(count) % classes + first).astype(np.uint8)
        (raw / f"{part}-images-idx3-ubyte").write_bytes(idx(images))
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(idx(labels))


@pytest.mark.parametrize(("name", "folder"), [("mnist", "MNIST"), ("kmnist", "KMNIST")])
def test_what_is_in_the_cache_is_not_downloaded_again(cache: Path, name: str, folder: str) -> None:
    """Names, licence and the published parts."""
    write_raw(cache, folder)
    dataset = open_dataset(name, cache=cache)
    assert (len(dataset.train), len(dataset.validation), len(dataset.calibration)) == (30, 10, 10)
    assert dataset.test is not None
    assert dataset.test.images.shape == (10, 2, 3, 1)
    assert "CC BY-SA" in dataset.metadata.licence
    assert dataset.metadata.title.endswith("torchvision's download")


def test_letters_of_emnist_are_upright_and_count_from_0(cache: Path) -> None:
    """torchvision gives them as the files have them: on their side, counted from 1."""
    write_raw(cache, "EMNIST", "emnist-letters-train", "emnist-letters-test", first=1, classes=26)
    arrays = open_named("emnist-letters", cache)
    assert arrays.train.images.shape == (130, 3, 2, 1)
    assert (arrays.train.labels.min(), arrays.train.labels.max()) == (0, 25)
    assert arrays.metadata.labels[:3] == ("a", "b", "c")


def test_an_image_in_both_published_parts_leaves_the_training_part(cache: Path) -> None:
    """The test part stays the one that everybody compares on."""
    write_raw(cache, "MNIST")
    raw = cache / "MNIST" / "raw"
    train, test = raw / "train-images-idx3-ubyte", raw / "t10k-images-idx3-ubyte"
    test.write_bytes(test.read_bytes()[:-6] + train.read_bytes()[-6:])
    dataset = open_dataset("mnist", cache=cache)
    assert (len(dataset.train), dataset.warnings.dropped) == (29, 1)
    assert "1 training images were dropped: the test part has the same ones" in dataset.sentences()


def write_cifar(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files of CIFAR-10, smaller; their checksums are what torchvision is told to expect."""
    folder = cache / CIFAR10.base_folder
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    batch = {"data": random.integers(0, 256, (40, 3072), dtype=np.uint8), "labels": [n % 10 for n in range(40)]}
    test = {"data": random.integers(0, 256, (10, 3072), dtype=np.uint8), "labels": list(range(10))}
    names = {"label_names": [f"class {n}" for n in range(10)]}
    checksums = {}
    for name, content in (("data_batch_1", batch), ("test_batch", test), ("batches.meta", names)):
        (folder / name).write_bytes(pickle.dumps(content))
        checksums[name] = hashlib.md5((folder / name).read_bytes()).hexdigest()
    monkeypatch.setattr(CIFAR10, "train_list", [["data_batch_1", checksums["data_batch_1"]]])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", checksums["test_batch"]]])
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": checksums["batches.meta"]})


def test_cifar_keeps_its_names_and_colours(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows, columns and channels are where they belong."""
    write_cifar(cache, monkeypatch)
    dataset = open_dataset("cifar10", cache=cache)
    assert dataset.metadata.labels[3] == "class 3"
    assert dataset.target.shape == (32, 32, 3)
    assert len(dataset.train) + len(dataset.validation) + len(dataset.calibration) == 40
    assert dataset.test is not None
    first = np.random.default_rng(0).integers(0, 256, (50, 3072), dtype=np.uint8)[40].reshape(3, 32, 32)
    np.testing.assert_array_equal(dataset.test.images[0], first.transpose(1, 2, 0))


DOWNLOADED = [name for name in NAMES if name not in ("digits", *(["fashion-mnist"] if DEBIAN.is_dir() else []))]


@pytest.mark.parametrize("name", DOWNLOADED)
def test_a_download_that_fails_is_explained(cache: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The proxy refuses every connection: the message says what failed, where it would go, and what else to do."""
    for variable in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(
        DatasetError, match=rf"{name} could not be downloaded into .*cache \(.*refused.*\): check the network"
    ):
        open_named(name, cache)


def test_damaged_files_in_the_cache_are_explained(cache: Path) -> None:
    """Such as a download that was stopped while it was unpacked."""
    write_raw(cache, "MNIST")
    images = cache / "MNIST" / "raw" / "train-images-idx3-ubyte"
    images.write_bytes(images.read_bytes()[:-1])
    with pytest.raises(DatasetError, match="delete what is cut there"):
        open_named("mnist", cache)


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's package dataset-fashion-mnist is not installed")
def test_fashion_mnist_of_debian_needs_no_download(cache: Path) -> None:
    """70,000 images with their names, also when the folder is given; nothing is written."""
    dataset = open_dataset("fashion-mnist", cache=cache)
    assert dataset.metadata.labels[9] == "Ankle boot"
    assert (len(dataset.train), len(dataset.validation), len(dataset.calibration)) == (54_000, 3_000, 3_000)
    assert not cache.exists()


def test_digits_are_enlarged_and_their_test_part_is_fixed() -> None:
    """28x28 from 8x8; another seed holds out others for validation, never for the test."""
    one, other = (open_dataset("digits", seed=seed) for seed in (0, 1))
    assert one.target.shape == (28, 28, 1)
    assert one.test is not None
    assert other.test is not None
    np.testing.assert_array_equal(one.test.images, other.test.images)
    assert (len(one.test), len(one.train)) == (360, 1297)
    assert (one.validation.images != other.validation.images).any()
    assert one.train.images.max() == 255


def test_labels_replace_the_names_that_classes_have() -> None:
    """As many as there are."""
    assert open_named("digits", Path(), tuple("abcdefghij")).metadata.labels[0] == "a"
    with pytest.raises(DatasetError, match="digits has 10 classes, but 3 labels are given"):
        open_named("digits", Path(), tuple("abc"))


def test_the_second_process_finds_what_the_first_left(tmp_path: Path) -> None:
    """It comes while the first is still at it, and waits."""
    cache = tmp_path / "cache"
    with exclusive_lock(cache):
        second = subprocess.Popen([sys.executable, "-c", _SECOND, cache], stdout=subprocess.PIPE, text=True)
        assert second.stdout is not None
        assert second.stdout.readline() == "here\n"
        (cache / "data").write_text("whole")
    assert second.communicate()[0] == "whole\n"
    assert second.returncode == 0


def test_a_cache_that_cannot_be_written_is_no_obstacle(tmp_path: Path) -> None:
    """What is in it can still be read."""
    (tmp_path / "file").write_text("in the way of a folder")
    with exclusive_lock(tmp_path / "file"):
        pass
