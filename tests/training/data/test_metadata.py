"""Metadata of data sets."""

from pathlib import Path

import pytest

from training.data import metadata
from training.data.metadata import DatasetMetadata


@pytest.mark.parametrize("known", [metadata.MNIST, metadata.FASHION_MNIST, metadata.KMNIST, metadata.DIGITS])
def test_data_sets_of_ten_classes_name_them_all_and_their_limits(known: DatasetMetadata) -> None:
    """Licence, ten different labels and at least one limit are known of each."""
    assert len(set(known.labels)) == 10
    assert known.licence.endswith("(data)")
    assert known.limits


def test_the_origin_of_a_copy_is_part_of_its_title_only() -> None:
    """Everything else stays."""
    copy = metadata.MNIST.with_origin("a mirror")
    assert copy.title == f"{metadata.MNIST.title}, from a mirror"
    assert (copy.labels, copy.licence, copy.limits) == (
        metadata.MNIST.labels,
        metadata.MNIST.licence,
        metadata.MNIST.limits,
    )


def test_the_classes_of_a_users_own_data_set_are_listed_up_to_twenty() -> None:
    """A model card stays readable with a thousand classes."""
    few, many = (
        metadata.files_dataset(Path("/home/me/pets"), tuple(f"c{n}" for n in range(count))) for count in (20, 21)
    )
    assert few.description.endswith("c18, c19.")
    assert many.description == "Pictures of 21 classes: " + ", ".join(f"c{n}" for n in range(20)) + ", ...."
    assert (few.title, few.licence) == ("pictures of pets", "not stated")


def test_variants_of_a_data_set_count_their_classes() -> None:
    """CIFAR-10 and CIFAR-100, the splits of EMNIST."""
    assert metadata.cifar(("a",) * 100).title.startswith("CIFAR-100 ")
    assert "of 26 classes" in metadata.emnist("letters", ("a",) * 26).description


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("/home/me/photos", "photos"),
        ("/home/me/photos/train", "photos"),
        ("/home/me/t.csv", "t.csv"),
        ("/a\nb", r"'a\nb'"),
    ],
)
def test_a_title_has_no_folders_of_this_machine(place: str, name: str) -> None:
    """The answers of a service have it; the run alone keeps the path."""
    assert metadata.own_name(Path(place)) == name
    assert metadata.unknown_dataset(Path(place), ("a", "b")).title == f"IDX files in {name}"


def test_a_relative_place_has_the_name_of_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also `.`."""
    (tmp_path / "birds").mkdir()
    monkeypatch.chdir(tmp_path / "birds")
    assert metadata.own_name(Path()) == "birds"
