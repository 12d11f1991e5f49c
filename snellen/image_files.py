"""The files that `snellen classify` reads, within a size limit."""

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class FoundFiles:
    """The files to classify, the other files that the folders hold, and names of what systems leave behind there."""

    images: list[Path] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)
    litter: list[str] = field(default_factory=list)

    @property
    def passed_over(self) -> str:
        """A sentence on the other files, counted by their suffix; empty without any."""
        from models.contract import suffix_counts

        if not self.others:
            return ""
        total = len(self.others)
        counts = suffix_counts(path.name for path in self.others)
        return f"passed over {total:,} {'file' if total == 1 else 'files'} that do not end as images do: {counts}"

    @property
    def left_behind(self) -> str:
        """A sentence on what operating systems and file managers leave behind, counted by kind; empty without any."""
        from models.contract import litter_note

        return litter_note(self.litter)

    @property
    def heic(self) -> bool:
        """Whether HEIC photos are among the other files."""
        from models.contract import HEIC_SUFFIXES

        return any(path.suffix.lower() in HEIC_SUFFIXES for path in self.others)


def find_images(paths: Iterable[Path], suffixes: tuple[str, ...]) -> FoundFiles:
    """Return files as named, and the files in folders with one of these suffixes, sorted. They are not opened here.

    What operating systems and file managers leave behind does not count, such as the `._photo.jpg` that macOS writes
    beside `photo.jpg`: it is passed over as in training.
    """
    found = FoundFiles()
    for path in paths:
        if os.path.isdir(path):  # false for an inaccessible path, where Path.is_dir() raises
            inside = _files_below(path, found.litter)
            found.images += [each for each in inside if each.suffix.lower() in suffixes]
            found.others += [each for each in inside if each.suffix.lower() not in suffixes]
        else:
            found.images.append(path)
    return found


def _files_below(folder: Path, litter: list[str]) -> list[Path]:
    """Return the files below a folder, sorted; `litter` gets the names of what is passed over."""
    from models.contract import is_litter

    files = list[Path]()
    for path in folder.rglob("*"):
        names = [is_litter(name) for name in path.relative_to(folder).parts]
        if names[-1] and not any(names[:-1]):
            litter.append(path.name)
        elif not any(names) and not os.path.isdir(path):
            files.append(path)
    return sorted(files)


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
