"""Files and folders below a folder."""

from pathlib import Path

import pytest

from tests.training.data.conftest import write_class
from training.data.sources.file_tree import class_files, files_below, files_in, holds_images, litter_in, subfolders
from training.errors import DatasetError


def test_litter_is_passed_over_at_every_depth(photos: Path) -> None:
    """Thumbnails of a network drive are pictures, but not those of the class."""
    write_class(photos / "ant" / "@eaDir" / "000.png", 2)
    write_class(photos / "__MACOSX" / "ant", 2)
    write_class(photos / "bee" / "deeper" / ".thumbnails", 2)
    (photos / "ant" / "._000.png").write_bytes(b"litter")
    assert [folder.name for folder in subfolders(photos)] == ["ant", "bee", "cat"]
    assert len(files_below(photos)) == 60
    assert litter_in(photos) == ["__MACOSX"]
    litter = list[str]()
    assert len(class_files(photos / "ant", litter)) == 20
    assert sorted(litter) == ["._000.png", "@eaDir"]
    with pytest.raises(DatasetError, match="none cannot be read: No such file"):
        litter_in(photos / "none")


def test_files_are_sorted_by_name(tmp_path: Path) -> None:
    """The seed draws from this order."""
    for name in ("b", "a/c", "a/b"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [str(path.relative_to(tmp_path)) for path in class_files(tmp_path)] == ["a/b", "a/c", "b"]


def test_a_class_folder_without_files_is_refused(tmp_path: Path) -> None:
    """Litter is no image."""
    (tmp_path / "desktop.ini").touch()
    with pytest.raises(DatasetError, match="is empty: put images into it, or remove it"):
        class_files(tmp_path)
    with pytest.raises(DatasetError, match="none cannot be read: No such file"):
        subfolders(tmp_path / "none")
    with pytest.raises(DatasetError, match="none cannot be read: No such file"):
        holds_images(tmp_path / "none")


def test_a_folder_holds_images_that_lie_in_itself(photos: Path) -> None:
    """Files that end as images do, or have no suffix; a table of labels is none."""
    (photos / "labels.csv").touch()
    (photos / ".hidden.jpg").touch()
    assert not holds_images(photos)
    assert files_in(photos) == [photos / "labels.csv"]
    (photos / "0001").touch()
    assert holds_images(photos)
    assert holds_images(photos / "ant")
