"""The labels and a digest of the images of a run, so that a resumed run goes on with the same ones."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from models.contract import FULL_BITS, Input, Preprocessing
from training.data.dataset import Dataset
from training.data.labelled_images import LabelledImages
from training.data.labels import shorten
from training.errors import CheckpointError, RefusedRunError

DATA = "data.json"
"""File in the folder of a run."""
_CHUNK = 1024
"""Images that are hashed at once; they may lie in a file that is mapped into memory."""


class PartRecord(BaseModel):
    """Number of images of a part, and SHA-256 of their pixels and class_ids in order."""

    model_config = ConfigDict(frozen=True)

    images: int
    sha256: str


class DataRecord(BaseModel):
    """labels: of the classes, in order; parts: by name; changed: whether the run went on with other images.

    bits: of `Preprocessing`; those of runs before it was measured. input, preprocessing: of the network; None in runs
    that did not keep them.
    """

    model_config = ConfigDict(frozen=True)

    labels: tuple[str, ...]
    parts: dict[str, PartRecord]
    changed: bool = False
    bits: int = FULL_BITS
    input: Input | None = None
    preprocessing: Preprocessing | None = None


def record_of(dataset: Dataset) -> DataRecord:
    """Return the record of all parts of a data set. 4 GiB of pixels take some seconds."""
    parts: Mapping[str, LabelledImages | None] = {
        "training": dataset.train,
        "validation": dataset.validation,
        "calibration": dataset.calibration,
        "test": dataset.test,
    }
    records = {name: _part_record(images) for name, images in parts.items() if images is not None}
    return DataRecord(
        labels=dataset.metadata.labels,
        parts=records,
        bits=dataset.preprocessing.bits,
        input=dataset.target,
        preprocessing=dataset.preprocessing,
    )


def write_record(record: DataRecord, folder: Path) -> None:
    """Write the record into the folder of a run, whole or not at all. Raises OSError."""
    beside = (folder / DATA).with_suffix(".new")
    beside.write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
    beside.replace(folder / DATA)


def read_record(folder: Path) -> DataRecord | None:
    """Return the record of the run in `folder`, or None for a run that kept none.

    Raises CheckpointError for a damaged one.
    """
    path = folder / DATA
    try:
        return DataRecord.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise CheckpointError(f"{path} is damaged; start again with --overwrite") from error


def resumed_record(before: DataRecord, now: DataRecord, folder: Path, *, changed_data: bool) -> DataRecord:
    """Return the record of a run that goes on.

    before, now: records of the run in `folder` and of the images that are there now. changed_data: whether other images
    are allowed; other labels never are.
    Raises RefusedRunError, which says what changed and what to do.
    """
    anew = f"train anew with --version {folder.name} --overwrite"
    if before.labels != now.labels:
        raise RefusedRunError(
            f"{folder} was trained on other classes than its data have now, {_changed_labels(before, now)}, so its "
            f"answers would go to the wrong classes: undo the change, or {anew}"
        )
    changes = _changed_parts(before.parts, now.parts)
    if changes and not changed_data:
        raise RefusedRunError(
            f"the images of {folder} are others than when it began ({'; '.join(changes)}), so images that it has "
            f"learnt could judge it: undo the change, {anew}, or go on all the same with --resume --changed-data"
        )
    return now.model_copy(update={"changed": before.changed or bool(changes)})


def _part_record(images: LabelledImages) -> PartRecord:
    digest = hashlib.sha256(repr(images.images.shape).encode())
    for start in range(0, len(images), _CHUNK):
        digest.update(np.ascontiguousarray(images.images[start : start + _CHUNK]).data)
    digest.update(images.labels.astype("<i8").tobytes())
    return PartRecord(images=len(images), sha256=digest.hexdigest())


def _changed_labels(before: DataRecord, now: DataRecord) -> str:
    if len(before.labels) != len(now.labels):
        return f"{len(before.labels)} then ({shorten(before.labels)}) and {len(now.labels)} now"
    place = next(i for i, pair in enumerate(zip(before.labels, now.labels, strict=True)) if len(set(pair)) > 1)
    return f"class {place} was {before.labels[place]!r} and is {now.labels[place]!r}"


def _changed_parts(before: Mapping[str, PartRecord], now: Mapping[str, PartRecord]) -> list[str]:
    nothing = PartRecord(images=0, sha256="")
    pairs = {name: (before.get(name, nothing), now.get(name, nothing)) for name in {**before, **now}}
    return [_changed_part(name, then, here) for name, (then, here) in pairs.items() if then != here]


def _changed_part(name: str, then: PartRecord, here: PartRecord) -> str:
    if then.images == here.images:
        return f"{name}: {here.images:,} images as before, but others or in another order"
    return f"{name}: {then.images:,} images then, {here.images:,} now"
