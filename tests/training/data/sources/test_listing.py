"""Image files as a source lists them."""

from pathlib import Path

import numpy as np

from training.data.metadata import files_dataset
from training.data.sources.listing import listing, relabelled

PETS = files_dataset(Path("pets"), ("cat", "dog"))
FILES = listing(PETS, [(Path("a"), 1, "train"), (Path("b"), 0, "test"), (Path("c"), 1, "validation")])


def test_rows_become_columns_in_their_order() -> None:
    """Path, label and part of each file have the same index."""
    assert len(FILES) == 3
    assert FILES.paths == (Path("a"), Path("b"), Path("c"))
    np.testing.assert_array_equal(FILES.labels, [1, 0, 1])
    assert FILES.parts.tolist() == ["train", "test", "validation"]


def test_a_selection_keeps_the_columns_together() -> None:
    """Files can be taken in any order, also repeatedly."""
    taken = FILES.take(np.array([2, 0, 2]))
    assert taken.paths == (Path("c"), Path("a"), Path("c"))
    assert taken.labels.tolist() == [1, 1, 1]
    assert taken.parts.tolist() == ["validation", "train", "validation"]
    assert taken.metadata is PETS


def test_no_rows_are_a_listing_without_files() -> None:
    """Its columns have their types."""
    empty = listing(PETS, [])
    assert (len(empty), empty.labels.dtype.name) == (0, "int64")


def test_classes_in_another_order_keep_their_images() -> None:
    """Numbers and the description follow the names."""
    rows = [(Path(name), number, "train") for number, name in enumerate("abca")]
    rows[3] = (Path("a2"), 0, "train")
    listed = listing(files_dataset(Path("x"), ("a", "b", "c")), rows[:4])  # type: ignore[arg-type]
    moved = relabelled(listed, ("c", "a", "b"))
    assert [moved.metadata.labels[label] for label in moved.labels] == ["a", "b", "c", "a"]
    assert moved.metadata.description == "Pictures of 3 classes: c, a, b."
