"""Image files: the formats that the service, training and evaluation read, and the names by which files are found."""

from collections import Counter
from collections.abc import Iterable
from pathlib import PurePath
from typing import Literal

ImageFormat = Literal["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIC"]
FORMATS: tuple[ImageFormat, ...] = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
"""Formats that are always read, by Pillow's names. Of a file with several images, the first one counts.

HEIC is the only other one. It is read where an optional package is installed: by training and evaluation at once, by
the service and `snellen classify` where their settings say so.
"""
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif")
"""Ends of the names of files of FORMATS, in lower case."""
HEIC_SUFFIXES = (".heic", ".heif")
_LITTER = frozenset(
    (
        *("thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "system volume information"),
        *("__macosx", "icon\r", "@eadir", "#recycle", "@recycle", "lost+found"),
    )
)
"""Names in lower case that Windows, macOS, Linux and network storage (Synology, QNAP) give."""


def is_litter(name: str) -> bool:
    """Return whether a file or folder of this name was left behind by an operating system or a file manager.

    Hidden names count, which begin with a dot, such as the `._photo.jpg` that macOS writes beside `photo.jpg`.
    """
    return name.startswith(".") or name.casefold() in _LITTER


def litter_note(names: Iterable[str]) -> str:
    """Return a sentence with how many files and folders of `is_litter` have which name; empty without any.

    As in `12 ._*, 2 .DS_Store, 1 @eaDir`, the most frequent first: names that differ are counted by their beginning,
    `._*` or `.*`.
    """
    counts = Counter(litter_kind(name) for name in names)
    order = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    listed = ", ".join(f"{count:,} {kind}" for kind, count in order)
    return f"passed over what systems and file managers leave behind: {listed}" if counts else ""


def litter_kind(name: str) -> str:
    """Return how a name is counted in `litter_note`: by its beginning, `._*` or `.*`, or as it is.

    The kind of a kind is the kind itself.
    """
    if name == ".DS_Store" or not name.startswith("."):
        return name.strip()
    return "._*" if name.startswith("._") else ".*"


def suffix_counts(names: Iterable[str]) -> str:
    """Return how many files have which suffix, the most frequent first, as in `12 .txt, 1 without a suffix`."""
    counts = Counter(PurePath(name).suffix.lower() for name in names)
    return ", ".join(f"{count:,} {suffix or 'without a suffix'}" for suffix, count in counts.most_common())
