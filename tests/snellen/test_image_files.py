"""The files that are classified, and those that are passed over."""

from pathlib import Path

from models.contract import IMAGE_SUFFIXES
from snellen.image_files import find_images


def test_images_in_folders_are_found_and_the_rest_is_counted(tmp_path: Path) -> None:
    """By suffix; what operating systems leave behind does not count, no more than in training."""
    names = ("b.JPG", "a.png", "inside/c.webp", "notes.txt", "more.TXT", "LICENSE", "._a.png", ".git/d.png")
    litter = ("Thumbs.db", "@eaDir/a.png/SYNOPHOTO_THUMB_S.jpg", "__MACOSX/inside/c.webp")
    for name in (*names, *litter):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = find_images([tmp_path], IMAGE_SUFFIXES)
    assert [str(path.relative_to(tmp_path)) for path in found.images] == ["a.png", "b.JPG", "inside/c.webp"]
    assert found.passed_over == ("passed over 3 files that do not end as images do: 2 .txt, 1 without a suffix")
    counts = "1 .*, 1 ._*, 1 @eaDir, 1 Thumbs.db, 1 __MACOSX"
    assert found.left_behind == f"passed over what systems and file managers leave behind: {counts}"


def test_a_file_that_is_named_is_taken_whatever_its_name(tmp_path: Path) -> None:
    """Its bytes decide."""
    found = find_images([tmp_path / ".hidden", tmp_path / "photo.dat"], IMAGE_SUFFIXES)
    assert (found.images, found.passed_over) == ([tmp_path / ".hidden", tmp_path / "photo.dat"], "")
    assert found.left_behind == ""
