"""Names of classes from a file of the user."""

from collections import Counter
from pathlib import Path

from training.errors import DatasetError


def read_labels(path: Path) -> tuple[str, ...]:
    """Read one label per line, in the order of the classes.

    Raises DatasetError for fewer than two labels and for duplicates.
    """
    labels = tuple(line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    if doubles := [label for label, count in Counter(labels).items() if count > 1]:
        raise DatasetError(f"{path}: {doubles[0]!r} is there twice: each class needs a label of its own")
    if len(labels) < 2:
        raise DatasetError(f"{path} has {len(labels)} labels: write one a line, in the order of the network's classes")
    return labels
