"""The files that `snellen classify` reads, within a size limit."""

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

SUFFIXES = (".jpg", ".jpeg", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif")


def find_images(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield files as named, and the files in folders with the suffix of an image, sorted. They are not opened here."""
    for path in paths:
        if os.path.isdir(path):  # false for an inaccessible path, where Path.is_dir() raises
            named = (found for found in path.rglob("*") if found.suffix.lower() in SUFFIXES)
            yield from sorted(found for found in named if not os.path.isdir(found))
        else:
            yield path


def read_image(path: Path, max_bytes: int) -> bytes:
    """Return the bytes of a regular file: reading a pipe or a device might never end.

    Raises OSError, UnsupportedFormat for anything but a regular file, BodyTooLarge.
    """
    from service.errors import BodyTooLarge, UnsupportedFormat

    if not stat.S_ISREG(path.stat().st_mode):
        raise UnsupportedFormat("this is not a regular file")
    with path.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        body = stream.read(min(size, max_bytes) + 1)  # read() allocates memory for all bytes asked for
    if len(body) > max_bytes:
        raise BodyTooLarge(f"the file is larger than {max_bytes} bytes; raise --max-bytes")
    return body
