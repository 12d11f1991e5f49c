"""The files that are classified, and those that are passed over."""

from pathlib import Path

from snellen.image_files import find_images


def test_images_in_folders_are_found_and_the_rest_is_counted(tmp_path: Path) -> None:
    """By suffix; hidden files and folders do not count."""
    names = ("b.JPG", "a.png", "inside/c.webp", "notes.txt", "more.TXT", "LICENSE", "._a.png", ".git/d.png")
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = find_images([tmp_path])
    assert [str(path.relative_to(tmp_path)) for path in found.images] == ["a.png", "b.JPG", "inside/c.webp"]
    assert found.passed_over == ("passed over 3 files that do not end as images do: 2 .txt, 1 without a suffix")


def test_a_file_that_is_named_is_taken_whatever_its_name(tmp_path: Path) -> None:
    """Its bytes decide."""
    found = find_images([tmp_path / ".hidden", tmp_path / "photo.dat"])
    assert (found.images, found.passed_over) == ([tmp_path / ".hidden", tmp_path / "photo.dat"], "")
