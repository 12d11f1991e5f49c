"""Warnings about a data set, shown before the training starts."""

from collections.abc import Iterable
from dataclasses import dataclass

from models.contract import suffix_counts
from training.data.duplicates import DUPLICATES, DuplicatePair, listed

_LISTED = 20


@dataclass(frozen=True)
class SkippedFile:
    """A file that was skipped, and the reason."""

    path: str
    reason: str


@dataclass(frozen=True)
class DatasetWarnings:
    """skipped: the first skipped files; skipped_count: number of all skipped files; kinds: those by their suffix, in
    words; copies: images that equal another one of the same part; disputed: copies with another label than the
    original; pairs: these images by name, where the source has names; dropped: training images left out because the
    test part has them too; notes: sentences on how the source was read.
    """

    skipped: tuple[SkippedFile, ...] = ()
    skipped_count: int = 0
    copies: int = 0
    disputed: int = 0
    dropped: int = 0
    notes: tuple[str, ...] = ()
    pairs: tuple[DuplicatePair, ...] = ()
    kinds: str = ""

    def sentences(self) -> list[str]:
        """Return the warnings as sentences for a terminal or a model card; empty when there are none."""
        lines = list(self.notes)
        lines += [f"skipped {file.path}: {file.reason}" for file in self.skipped]
        if more := self.skipped_count - len(self.skipped):
            lines.append(f"skipped {more:,} more files; all {self.skipped_count:,} by their suffix: {self.kinds}")
        if self.copies:
            lines.append(f"{self.copies:,} images are copies of others in the same part")
            lines += self._named("copy")
        if self.disputed:
            lines.append(
                f"{self.disputed:,} of the copies have another label than the original: one of the two is wrong"
            )
            lines += self._named("two labels")
        if self.pairs:
            lines.append(f"{DUPLICATES} in the folder of the run has all {len(self.pairs):,} pairs of equal images")
        if self.dropped:
            lines.append(f"{self.dropped:,} training images were dropped: the test part has the same ones")
        return lines

    def _named(self, kind: str) -> list[str]:
        return listed([pair for pair in self.pairs if pair.kind == kind])


def collect_warnings(
    skipped: Iterable[SkippedFile], copies: int = 0, disputed: int = 0, dropped: int = 0
) -> DatasetWarnings:
    """Return the warnings with the list of skipped files cut to a readable length."""
    every = tuple(skipped)
    kinds = suffix_counts(file.path.rstrip("'") for file in every)  # an escaped path is quoted
    return DatasetWarnings(every[:_LISTED], len(every), copies, disputed, dropped, kinds=kinds)
