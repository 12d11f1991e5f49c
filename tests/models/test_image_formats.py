"""Formats and litter: one definition for training, evaluation, `snellen classify`, the client and the load test."""

from pathlib import Path

import pytest
from PIL import Image, features

from models.contract import FORMATS, HEIC_SUFFIXES, IMAGE_SUFFIXES, is_litter, litter_kind, litter_note, suffix_counts

ROOT = Path(__file__).parents[2]


def test_every_format_has_its_suffixes() -> None:
    """Pillow knows each suffix as one of these formats, AVIF among them."""
    Image.init()
    assert features.check("avif")
    assert {Image.EXTENSION[suffix] for suffix in IMAGE_SUFFIXES} == set(FORMATS)
    assert not set(IMAGE_SUFFIXES) & set(HEIC_SUFFIXES)


@pytest.mark.parametrize(
    ("litter", "names"),
    [
        (True, ".DS_Store ._photo.jpg .git Thumbs.db THUMBS.DB desktop.ini @eaDir __MACOSX $RECYCLE.BIN lost+found"),
        (False, "photo.jpg thumbs @home __init__ desktop MACOSX eaDir 猫"),
    ],
)
def test_litter_is_known_by_its_name(*, litter: bool, names: str) -> None:
    """In any case, since Windows and macOS do not keep it."""
    assert {name: is_litter(name) for name in names.split()} == dict.fromkeys(names.split(), litter)


def test_litter_may_be_counted_by_kind() -> None:
    """The kinds make the same note as the names, so that millions of names need not be kept."""
    names = ["._a.jpg", "._b.jpg", ".DS_Store", ".git", "Thumbs.db", "Icon\r"]
    kinds = [litter_kind(name) for name in names]
    assert kinds == ["._*", "._*", ".DS_Store", ".*", "Thumbs.db", "Icon"]
    assert litter_note(kinds) == litter_note(names)


def test_no_other_file_lists_suffixes() -> None:
    """A second list would differ sooner or later."""
    files = [
        path
        for room in ("models", "service", "training", "snellen", "benchmarks")
        for path in (ROOT / room).rglob("*.py")
    ]
    assert [path.name for path in files if '".webp"' in path.read_text(encoding="utf-8")] == ["image_formats.py"]


def test_files_are_counted_by_their_suffix() -> None:
    """In any case, the most frequent first."""
    assert suffix_counts(["a.txt", "b.TXT", "c.tar.gz", "LICENSE"]) == "2 .txt, 1 .gz, 1 without a suffix"
    assert suffix_counts([]) == ""


def test_litter_is_counted_by_kind() -> None:
    """Names that macOS makes of those of photos are one kind, other hidden names another."""
    names = ("._a.jpg", "._b.jpg", ".DS_Store", ".git", ".cache", ".thumbnails", "Thumbs.db", "@eaDir", "Icon\r")
    assert litter_note(names) == (
        "passed over what systems and file managers leave behind: "
        "3 .*, 2 ._*, 1 .DS_Store, 1 @eaDir, 1 Icon, 1 Thumbs.db"
    )
    assert litter_note([]) == ""
