"""Images that come as arrays: checked, split and converted to the network's input."""

from dataclasses import dataclass, replace
from typing import overload

import numpy as np
from numpy.typing import NDArray

from models.contract import Colour, Input, Preprocessing
from training.data.duplicates import (
    Digests,
    DuplicatePair,
    count_copies,
    count_disputed,
    digests_of,
    find_pairs,
    refuse_across,
)
from training.data.labelled_images import Indices, LabelledImages, evaluation_pixels, in_colour, is_identity
from training.data.labels import check_names
from training.data.metadata import DatasetMetadata
from training.data.part_names import PARTS
from training.data.picture_fit import PictureFit
from training.data.pixel_storage import PixelStorage
from training.data.split import HoldOut, OpenedImages, Parts, assign_parts
from training.data.unseen_share import unseen_sentence
from training.data.warnings_list import collect_warnings


@dataclass(frozen=True)
class Arrays:
    """Labelled images of a source.

    `published`: the parts are those of the published benchmark, so that an image in both is no error of the user.
    """

    metadata: DatasetMetadata
    train: LabelledImages
    test: LabelledImages | None
    published: bool = False


def open_arrays(
    arrays: Arrays,
    target: Input | None,
    preprocessing: Preprocessing | None,
    fit: PictureFit,
    hold_out: HoldOut,
    storage: PixelStorage,
    *,
    colour: Colour | None = None,
) -> OpenedImages:
    """Split the arrays. Training images keep their height and width, in the input's colours, unless `fit` asks for
    whole pictures; others are preprocessed.

    target: by default the shape of the images, in `colour` where it is given. A training image that a published test
    part also has is dropped.
    Raises DatasetError for an empty class, a class too small to hold images out, and an image in two parts.
    """
    check_names(arrays.metadata.labels, arrays.metadata.title)
    whole, given = _joined(arrays)
    digests = digests_of(whole.images)
    kept = _without_overlap(arrays, given, digests)
    pairs = _pairs(arrays, whole.labels, given, digests)
    refuse_across(pairs)
    parts = assign_parts(whole.labels[kept], given[kept], digests[kept], arrays.metadata.labels, hold_out)
    target = target or in_colour_of(native_input(whole), colour)
    preprocessing = preprocessing or fit.applied_to(native_preprocessing(target))
    as_they_are = not fit.shows_whole(preprocessing)
    pieces = {part: whole.take(kept[parts == part]) for part in PARTS if (parts == part).any()}
    opened = {
        part: _trained_on(images, target)
        if part == "train" and as_they_are
        else _evaluated(images, target, preprocessing, storage)
        for part, images in pieces.items()
    }
    copies, disputed = count_copies(digests[kept], parts), count_disputed(digests, whole.labels)
    warnings = collect_warnings((), copies, disputed, dropped=len(whole) - len(kept))
    _, height, width, _ = whole.images.shape
    unseen = unseen_sentence([(width, height)] * len(whole), target, preprocessing, fixed_size=fit.fixed_size)
    return OpenedImages(target, preprocessing, opened, replace(warnings, pairs=pairs, unseen=unseen))


def native_input(images: LabelledImages) -> Input:
    """Return the input of exactly the images' shape."""
    _, height, width, channels = images.images.shape
    return Input(colour=Colour.L if channels == 1 else Colour.RGB, height=height, width=width)


@overload
def in_colour_of(target: Input, colour: Colour | None) -> Input: ...
@overload
def in_colour_of(target: Input | None, colour: Colour | None) -> Input | None: ...
def in_colour_of(target: Input | None, colour: Colour | None) -> Input | None:
    """Return the input with this colour instead of its own; the input itself where either is None."""
    return target if target is None or colour is None else target.model_copy(update={"colour": colour})


def native_preprocessing(target: Input) -> Preprocessing:
    """Return preprocessing without cropping, on black ground, for grey images; for others the contract's default."""
    return Preprocessing(resize="squash", background=(0, 0, 0)) if target.colour is Colour.L else Preprocessing()


def _joined(arrays: Arrays) -> tuple[LabelledImages, Parts]:
    """Return all images in one array, and the part that each was given in."""
    train, test = arrays.train, arrays.test
    given = np.repeat(np.array(["train", "test"]), [len(train), len(test) if test else 0])
    if test is None:
        return train, given
    images = np.concatenate([train.images, test.images])
    return LabelledImages(images, np.concatenate([train.labels, test.labels])), given


def _without_overlap(arrays: Arrays, given: Parts, digests: Digests) -> Indices:
    """Return the indices of the images to keep, so that no image is in two parts."""
    testing = given == "test"
    if arrays.published:
        return np.flatnonzero(testing | ~np.isin(digests, digests[testing]))
    return np.arange(len(given))


def _pairs(arrays: Arrays, labels: NDArray[np.int64], given: Parts, digests: Digests) -> tuple[DuplicatePair, ...]:
    """Return the equal images by their numbers in their part; none of a published set, which is as it is."""
    if arrays.published:
        return ()
    first, title = len(arrays.train), arrays.metadata.title

    def place(index: int) -> str:
        return f"training image {index} of {title}" if index < first else f"test image {index - first} of {title}"

    return find_pairs(digests, given, labels, names=arrays.metadata.labels, place=place)


def _trained_on(images: LabelledImages, target: Input) -> LabelledImages:
    return LabelledImages(in_colour(images.images, target.colour), images.labels)


def _evaluated(
    images: LabelledImages, target: Input, preprocessing: Preprocessing, storage: PixelStorage
) -> LabelledImages:
    if is_identity(images.images, target, preprocessing):
        return images
    room = storage.empty((len(images), *target.shape))
    return LabelledImages(evaluation_pixels(images.images, target, preprocessing, room), images.labels)
