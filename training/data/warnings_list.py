"""What was found on the way that a person should know before the training starts."""

from collections.abc import Iterable
from dataclasses import dataclass

_LISTED = 20


@dataclass(frozen=True)
class SkippedFile:
    """A file that was passed over, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class DatasetWarnings:
    """skipped: the first files passed over, `skipped_count`: all of them; `copies`: images of which the same part has
    an equal one; `disputed`: those whose equal has another label; `dropped`: training images left out since the test
    part has them too."""

    skipped: tuple[SkippedFile, ...] = ()
    skipped_count: int = 0
    copies: int = 0
    disputed: int = 0
    dropped: int = 0

    def sentences(self) -> list[str]:
        """For a terminal or a model card; empty when there is nothing to say."""
        lines = [f"skipped {file.path}: {file.reason}" for file in self.skipped]
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
    """Keeps the list of skipped files short."""
    every = tuple(skipped)
    return DatasetWarnings(every[:_LISTED], len(every), copies, disputed, dropped)
