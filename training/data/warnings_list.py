"""Warnings about a data set, shown before the training starts."""

from collections.abc import Iterable
from dataclasses import dataclass

from models.contract import suffix_counts
from training.data.duplicates import DUPLICATES, DuplicatePair, listed
from training.data.labels import count_of

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
    test part has them too; notes: sentences on how the source was read; unseen: a sentence on what a centre crop never
    shows.
    """

    skipped: tuple[SkippedFile, ...] = ()
    skipped_count: int = 0
    copies: int = 0
    disputed: int = 0
    dropped: int = 0
    notes: tuple[str, ...] = ()
    pairs: tuple[DuplicatePair, ...] = ()
    kinds: str = ""
    unseen: str = ""

    def sentences(self) -> list[str]:
        """Return the warnings as sentences for a terminal or a model card; empty when there are none."""
        lines = list(self.notes)
        lines += [f"skipped {file.path}: {file.reason}" for file in self.skipped]
        if more := self.skipped_count - len(self.skipped):
            lines.append(
                f"skipped {count_of(more, 'more file')}; all {self.skipped_count:,} by their suffix: {self.kinds}"
            )
        if self.copies:
            are = "is a copy of another one" if self.copies == 1 else "are copies of others"
            lines.append(f"{count_of(self.copies, 'image')} {are} in the same part")
            lines += self._named("copy")
        if self.disputed:
            have = "has" if self.disputed == 1 else "have"
            lines.append(
                f"{self.disputed:,} of the copies {have} another label than the original: one of the two is wrong"
            )
            lines += self._named("two labels")
        if self.pairs:
            lines.append(
                f"{DUPLICATES} in the folder of the run has {count_of(len(self.pairs), 'pair')} of equal images"
            )
        if self.dropped:
            lines.append(f"{self.dropped:,} training images were dropped: the test part has the same ones")
        return [*lines, self.unseen] if self.unseen else lines

    def _named(self, kind: str) -> list[str]:
        return listed([pair for pair in self.pairs if pair.kind == kind])


def collect_warnings(
    skipped: Iterable[SkippedFile], copies: int = 0, disputed: int = 0, dropped: int = 0
) -> DatasetWarnings:
    """Return the warnings with the list of skipped files cut to a readable length.

    The first file of each reason is in the list, as long as there is room; after it the others in their order.
    """
    every = tuple(skipped)
    of_reasons = list({file.reason: file for file in reversed(every)}.values())[:_LISTED]
    others = [file for file in every if file not in of_reasons][: _LISTED - len(of_reasons)]
    chosen = {id(file) for file in (*of_reasons, *others)}
    kinds = suffix_counts(file.path.rstrip("'") for file in every)  # an escaped path is quoted
    listed_files = tuple(file for file in every if id(file) in chosen)
    return DatasetWarnings(listed_files, len(every), copies, disputed, dropped, kinds=kinds)
