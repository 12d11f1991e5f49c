"""Image files: all headers are read first, then the remaining files are decoded in parallel."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from rich.console import Console
from rich.progress import track

from models.contract import Colour, Input, Pixels, Preprocessing
from training.data.duplicates import count_copies, count_disputed, find_pairs, refuse_across, to_digests
from training.data.labelled_images import LabelledImages
from training.data.labels import printable
from training.data.parallel_map import parallel_map
from training.data.part_names import PARTS, Part
from training.data.picture_fit import PictureFit
from training.data.pixel_storage import PixelStorage
from training.data.sources.arrays import in_colour_of, native_preprocessing
from training.data.sources.listing import Listing
from training.data.sources.native_shape import PHOTO_INPUT, native_shape, shape_notes
from training.data.sources.open_image import Header, UnreadableImage, read_header, read_pixels
from training.data.sources.wide_values import MEASURE, choose_bits, value_notes
from training.data.split import HoldOut, OpenedImages, assign_parts
from training.data.unseen_share import unseen_sentence
from training.data.warnings_list import SkippedFile, collect_warnings
from training.errors import DatasetError

R = TypeVar("R")
_MAX_SIDE = 4096
MARGIN = 0.875
"""Ratio of the input's side to that of a training image: the margin for random crops (224 of 256)."""


def open_pictures(
    listing: Listing,
    target: Input | None,
    preprocessing: Preprocessing | None,
    fit: PictureFit,
    hold_out: HoldOut,
    storage: PixelStorage,
    *,
    colour: Colour | None = None,
    bits: int | None = None,
    unanimous: bool = False,
) -> OpenedImages:
    """Decode every image once: preprocessed for evaluation, and with a margin for random crops for training unless
    `fit` asks for whole pictures.

    target: by default the size that most images share, or all if `unanimous`, if it is at most 224, else 224x224 RGB.
    colour: of that default, instead of the pictures' own.
    bits: those in use of grey files of 16 bits; None takes those of `preprocessing`, or measures the files to train on,
    as MEASURE always does.
    Raises DatasetError for a class with no or too few readable images, and for an image in two parts.
    """
    measured = bits == MEASURE or (preprocessing is None and bits is None)
    listing, headers, unreadable = _with_headers(listing, with_values=measured)
    digests = to_digests([header.digest for header in headers])
    pairs = find_pairs(
        digests,
        listing.parts,
        listing.labels,
        names=listing.metadata.labels,
        place=lambda i: printable(listing.paths[i]),
    )
    refuse_across(pairs)
    parts = assign_parts(listing.labels, listing.parts, digests, listing.metadata.labels, hold_out)
    native = in_colour_of(native_shape(headers, unanimous=unanimous), colour)
    notes = () if target else shape_notes(listing.paths, headers, native, chosen=colour)
    target = target or native or in_colour_of(PHOTO_INPUT, colour)
    preprocessing = preprocessing or fit.applied_to(native_preprocessing(target) if native else Preprocessing())
    if measured:
        bits, said = _bits_in_use(listing, headers)
        notes += said
    if bits is not None:
        preprocessing = preprocessing.model_copy(update={"bits": bits})
    opened: dict[Part, LabelledImages] = {}
    for part in PARTS:
        if len(indices := np.flatnonzero(parts == part)):
            crops = part == "train" and target != native and not fit.shows_whole(preprocessing)
            form = with_crop_margin(target, preprocessing) if crops else (target, preprocessing)
            opened[part], damaged = _decoded(listing.take(indices), part, *form, storage)
            unreadable += damaged
    disputed = count_disputed(digests, listing.labels)
    warnings = collect_warnings(unreadable, count_copies(digests, parts), disputed)
    sizes = [header.upright_size for header in headers]
    unseen = unseen_sentence(sizes, target, preprocessing, fixed_size=fit.fixed_size)
    told = replace(warnings, pairs=pairs, notes=(*listing.notes, *notes), unseen=unseen)
    return OpenedImages(target, preprocessing, opened, told)


def with_crop_margin(target: Input, preprocessing: Preprocessing) -> tuple[Input, Preprocessing]:
    """Return input and preprocessing of training images: larger than the network's input by the margin for crops.

    Where `preprocessing` cuts, they show that much more, and their centre of the input's size is what evaluation sees.
    Where `preprocessing` keeps the whole image, evaluation sees the whole of them.
    """
    height, width = (min(round(side / MARGIN), _MAX_SIDE) for side in (target.height, target.width))
    wider = preprocessing.model_copy(update={"crop_fraction": min(1.0, preprocessing.crop_fraction / MARGIN)})
    return target.model_copy(update={"height": height, "width": width}), wider


def _bits_in_use(listing: Listing, headers: Sequence[Header]) -> tuple[int, tuple[str, ...]]:
    """Return how many bits the grey files of 16 bits use, by those to train on, and what to say about it."""
    training: list[int] = np.flatnonzero(listing.parts == "train").tolist()
    values = [headers[index].values for index in training]
    bits = choose_bits(values)
    return bits, value_notes([listing.paths[index] for index in training], values, bits)


def _with_headers(listing: Listing, *, with_values: bool) -> tuple[Listing, list[Header], list[SkippedFile]]:
    """Return the readable files, their headers and the skipped files.

    Raises DatasetError when a whole class is skipped.
    """
    results = list(
        _progress(parallel_map(partial(_header, with_values=with_values), listing.paths), len(listing), "reading")
    )
    headers = [result for result in results if isinstance(result, Header)]
    skipped = [result for result in results if isinstance(result, SkippedFile)]
    readable = np.flatnonzero([isinstance(result, Header) for result in results])
    left = listing.take(readable)
    _refuse_lost(listing, left, skipped)
    return left, headers, skipped


def _refuse_lost(before: Listing, after: Listing, skipped: Sequence[SkippedFile]) -> None:
    """Raise DatasetError when a class has lost all its files."""
    lost = np.setdiff1d(before.labels, after.labels)
    if len(lost):
        paths = {printable(before.paths[index]) for index in np.flatnonzero(before.labels == lost[0])}
        first = next(file for file in skipped if file.path in paths)
        name = before.metadata.labels[lost[0]]
        raise DatasetError(f"no picture of the class {name!r} can be read; the first is {first.path}: {first.reason}")


def _decoded(
    listing: Listing, part: Part, target: Input, preprocessing: Preprocessing, storage: PixelStorage
) -> tuple[LabelledImages, list[SkippedFile]]:
    """Decode the files of one part. Damaged files leave no gap; a class may lose its held-out images, but no more."""
    images = storage.empty((len(listing), *target.shape))
    kept: list[int] = []
    skipped: list[SkippedFile] = []
    pixels = parallel_map(partial(_pixels, target=target, preprocessing=preprocessing), listing.paths)
    for index, result in enumerate(_progress(pixels, len(listing), f"decoding {part}")):
        if isinstance(result, SkippedFile):
            skipped.append(result)
        else:
            images[len(kept)] = result
            kept.append(index)
    left = listing.take(np.array(kept, np.int64))
    if part == "train" or not kept:
        _refuse_lost(listing, left, skipped)
    return LabelledImages(images[: len(kept)], left.labels, [printable(path) for path in left.paths]), skipped


def _header(path: Path, *, with_values: bool) -> Header | SkippedFile:
    try:
        return read_header(path, with_values=with_values)
    except UnreadableImage as reason:
        return SkippedFile(printable(path), str(reason))


def _pixels(path: Path, target: Input, preprocessing: Preprocessing) -> Pixels | SkippedFile:
    try:
        return read_pixels(path, target, preprocessing)
    except UnreadableImage as reason:
        return SkippedFile(printable(path), str(reason))


def _progress(results: Iterator[R], total: int, what: str) -> Iterable[R]:
    console = Console(stderr=True)
    return track(results, what, total, console=console, transient=True, disable=not console.is_terminal)
