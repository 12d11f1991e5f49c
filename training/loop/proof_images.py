"""Labelled images that a run did not train on, to judge its bundle by: all of a source that has no parts.

Images of the run, apart from its test images, are recognised by the hash of their files and left out.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.contract import Manifest, Pixels
from training.data.dataset import find_source
from training.data.held_out_images import (
    HeldOutImages,
    HeldOutParts,
    evaluation_part,
    from_label_table,
    open_held_out,
)
from training.data.labelled_images import LabelledImages
from training.data.parallel_map import parallel_map
from training.data.pixel_storage import default_cache
from training.data.sources.idx import holds_idx
from training.data.sources.listing import Listing
from training.data.sources.named import NAMES
from training.data.sources.open_image import Header, UnreadableImage, read_header
from training.data.sources.tables import is_parquet, read_parquet_table
from training.errors import DatasetError
from training.loop.config import TrainingConfig

_NAMED = 3
"""Files that a sentence names."""


@dataclass(frozen=True)
class ProofImages:
    """images: preprocessed for the bundle. title: the source in words. remarks: what was left out, and why."""

    images: LabelledImages
    title: str
    remarks: tuple[str, ...]


def is_proof(source: str, config: TrainingConfig | None, *, ignoring_training: bool) -> bool:
    """Return whether a source is for judging alone: files without parts that are not the data of the run.

    config: of the run, None where it is not known. ignoring_training: whether files with a part for training count too,
    of which the other parts judge. Named data sets and IDX files have a test part of their own and do not count; nor
    does what is not there.
    """
    path = Path(os.path.expanduser(source))
    if not source or source in NAMES or not path.exists():
        return False
    if path.is_dir() and holds_idx(path):
        return False
    if config is not None and _is_same(source, config.data):
        return False
    if ignoring_training:
        return True
    try:
        found = find_source(source, (), default_cache())
    except DatasetError:  # such as a folder with a test part only, which is no data to train on
        return True
    return isinstance(found, Listing) and bool((found.parts == "train").all())


def _is_same(one: str, other: str) -> bool:
    return one == other or Path(os.path.expanduser(one)).resolve() == Path(os.path.expanduser(other)).resolve()


def open_proof(source: str, manifest: Manifest, config: TrainingConfig | None, limit: int, seed: int) -> ProofImages:
    """Return all images of the source but those that the run learnt from, at most `limit`, drawn with `seed`.

    Raises DatasetError for a source that cannot be read, or of which no image is left.
    """
    found = evaluation_part(_open(source, manifest))
    if found.truth.ndim != 1:
        raise DatasetError("an image has one class here: measure bundles of the task multilabel with snellen evaluate")
    known, unknown = _digests_of_run(config)
    trained = _are_among(found, known)
    kept = np.flatnonzero(~trained)
    remarks = [unknown] if unknown else []
    if trained.any():
        remarks.append(_left_out([found.names[index] for index in np.flatnonzero(trained).tolist()], len(found)))
    if not len(kept):
        raise DatasetError(f"{source}: {remarks[-1]}: give images that the network never trained on")
    if len(kept) > limit:
        kept = np.sort(np.random.default_rng(seed).permutation(kept)[:limit])
    images, unreadable = _decoded(found, kept, manifest)
    return ProofImages(images, f"{len(images):,} {found.title}", (*remarks, *unreadable))


def _open(source: str, manifest: Manifest) -> HeldOutParts:
    path = Path(os.path.expanduser(source))
    if path.is_file() and is_parquet(path):
        return from_label_table(path, read_parquet_table(path), manifest)
    return open_held_out(source, manifest)


def _left_out(names: Sequence[str], total: int) -> str:
    first = ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
    return f"{len(names):,} of {total:,} images are left out, since the run learnt from them: {first}"


def _are_among(found: HeldOutImages, digests: set[bytes]) -> NDArray[np.bool_]:
    """Return for each image whether the hash of its file is one of `digests`: bool [N]."""
    if not digests or not found.paths:
        return np.zeros(len(found), np.bool_)
    headers = parallel_map(_header, found.paths)
    return np.array([header is not None and header.digest in digests for header in headers], np.bool_)


def _digests_of_run(config: TrainingConfig | None) -> tuple[set[bytes], str]:
    """Return the hashes of the files that a run learnt from, and a sentence where they are not known.

    Validation images, which chose the epoch, and calibration images count too; test images do not. No draw is repeated
    here, since it would be another one where files came or went after the run.
    """
    if config is None:
        return set(), "no run is known, so images that it trained on are not recognised: see --run"
    try:
        listed = find_source(config.data, config.labels, default_cache())
    except DatasetError:
        return set(), (
            f"the data of the run are no longer at {config.data!r}, so images that it trained on are not recognised: "
            "bring them back, or give none of them"
        )
    if not isinstance(listed, Listing):
        return set(), ""
    headers = parallel_map(_header, listed.take(np.flatnonzero(listed.parts != "test")).paths)
    return {header.digest for header in headers if header is not None}, ""


def _header(path: Path) -> Header | None:
    try:
        return read_header(path)
    except UnreadableImage:
        return None


def _decoded(
    found: HeldOutImages, indices: NDArray[np.int64], manifest: Manifest
) -> tuple[LabelledImages, tuple[str, ...]]:
    """Decode images for the bundle; those that cannot be read are left out and counted. Raises DatasetError."""

    def pixels(index: int) -> Pixels | str:
        try:
            return found.read(index, manifest.input, manifest.preprocessing)
        except UnreadableImage as error:
            return f"{found.names[index]}: {error}"

    results = list(parallel_map(pixels, indices.tolist()))
    read = [(index, each) for index, each in zip(indices, results, strict=True) if not isinstance(each, str)]
    reasons = [each for each in results if isinstance(each, str)]
    if not read:
        raise DatasetError(f"no image can be read; the first is {reasons[0]}")
    images = LabelledImages(
        np.stack([each for _, each in read]),
        np.asarray(found.truth, np.int64)[[index for index, _ in read]],
        [found.names[index] for index, _ in read],
    )
    skipped = f"{len(reasons):,} images cannot be read; the first is {reasons[0]}" if reasons else ""
    return images, (skipped,) if skipped else ()
