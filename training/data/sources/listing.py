"""Image files as a source lists them: path, label and part of each."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from training.data.labelled_images import Indices
from training.data.metadata import DatasetMetadata, description_of
from training.data.part_names import Part


@dataclass(frozen=True)
class Listing:
    """paths: N files; labels: int64 [N], from 0, in the order of `metadata.labels`; parts: the `Part` of each file.

    notes: sentences on what the source says otherwise than it is read.
    """

    metadata: DatasetMetadata
    paths: tuple[Path, ...]
    labels: NDArray[np.int64]
    parts: NDArray[np.str_]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.paths)

    def take(self, indices: Indices) -> Self:
        """Return the listing of the files at `indices`."""
        paths = tuple(self.paths[index] for index in indices)
        return replace(self, paths=paths, labels=self.labels[indices], parts=self.parts[indices])


def listing(metadata: DatasetMetadata, rows: Sequence[tuple[Path, int, Part]], notes: tuple[str, ...] = ()) -> Listing:
    """Build a listing from rows of (path, label, part)."""
    return Listing(
        metadata=metadata,
        paths=tuple(path for path, _, _ in rows),
        labels=np.array([label for _, label, _ in rows], np.int64),
        parts=np.array([part for _, _, part in rows], np.str_),
        notes=notes,
    )


def relabelled(listed: Listing, names: tuple[str, ...]) -> Listing:
    """Return the listing with its classes in the order of `names`, which has to hold the same ones."""
    numbers = {name: number for number, name in enumerate(names)}
    new = np.array([numbers[name] for name in listed.metadata.labels], np.int64)
    metadata = replace(listed.metadata, labels=names, description=description_of(names))
    return replace(listed, metadata=metadata, labels=new[listed.labels])
