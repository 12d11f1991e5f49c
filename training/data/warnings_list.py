"""Warnings about a data set, shown before the training starts."""

from collections.abc import Iterable
from dataclasses import dataclass

_LISTED = 20


@dataclass(frozen=True)
class SkippedFile:
    """A file that was skipped, and the reason."""

    path: str
    reason: str


@dataclass(frozen=True)
class DatasetWarnings:
    """skipped: the first skipped files; skipped_count: number of all skipped files; copies: images that equal
    another one of the same part; disputed: copies with another label than the original; dropped: training images
    left out because the test part has them too; notes: sentences on how the source was read.
    """

    skipped: tuple[SkippedFile, ...] = ()
    skipped_count: int = 0
    copies: int = 0
    disputed: int = 0
    dropped: int = 0
    notes: tuple[str, ...] = ()

    def sentences(self) -> list[str]:
        """Return the warnings as sentences for a terminal or a model card; empty when there are none."""
        lines = list(self.notes)
        lines += [f"skipped {file.path}: {file.reason}" for file in self.skipped]
        if more := self.skipped_count - len(self.skipped):
            lines.append(f"skipped {more:,} more files")
        if self.copies:
            lines.append(f"{self.copies:,} images are copies of others in the same part")
        if self.disputed:
            lines.append(
                f"{self.disputed:,} of the copies have another label than the original: one of the two is wrong"
            )
        if self.dropped:
            lines.append(f"{self.dropped:,} training images were dropped: the test part has the same ones")
        return lines


def collect_warnings(
    skipped: Iterable[SkippedFile], copies: int = 0, disputed: int = 0, dropped: int = 0
) -> DatasetWarnings:
    """Return the warnings with the list of skipped files cut to a readable length."""
    every = tuple(skipped)
    return DatasetWarnings(every[:_LISTED], len(every), copies, disputed, dropped)
