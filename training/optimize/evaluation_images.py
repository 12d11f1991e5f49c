"""The images that a variant is made with and tested on; no image is used for both."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.contract import Colour, Manifest, Pixels
from training.data.dataset import Dataset, open_dataset
from training.data.labelled_images import LabelledImages, evaluation_pixels
from training.data.split import HoldOut
from training.errors import OptimizeError
from training.evaluation.score_text import CHOSE_THE_EPOCH
from training.loop.config import TrainingConfig
from training.loop.held_out import hold_out_of_run, read_run_config
from training.loop.proof_images import is_proof, open_proof
from training.optimize.accuracy_budget import images_needed
from training.optimize.photo_folder import folder_crops
from training.optimize.sample_photos import Crops, sample_crops
from training.optimize.training_crops import training_crops

_RANGE_IMAGES, _SELECTION_IMAGES = 512, 1024
_SMALLEST_PHOTO = 96
_SHARE = 5
"""One image in so many makes the variants where there are only images that judge."""
_MOST = 20_000
"""Limit of images that judge."""


@dataclass(frozen=True)
class EvaluationImages:
    """All images are as the network takes them: uint8 [N, height, width, channels].

    range_images: measure the ranges of activations for int8; selection_images: select its layers in float;
    training_images: returns those that fine-tune the pruned variant, None where there are too few; test_images:
    measure, with labels int64 [N] where there are any; groups: the photograph that each is a crop of, int64 [N];
    made_with, source: describe the first and the last.
    """

    range_images: Pixels
    selection_images: Pixels
    training_images: Callable[[], Pixels] | None
    test_images: Pixels
    labels: NDArray[np.int64] | None
    made_with: str
    source: str
    groups: NDArray[np.int64] | None = None


def find_evaluation_images(
    manifest: Manifest, data: str | None, run: Path, budget: float = 0.5, photos: Path | None = None
) -> EvaluationImages:
    """Return images of the data set that the network was trained on, or of sample photos where none is known.

    budget: percentage points. Where one labelled image would weigh more than that, the proof is agreement with fp32 on
    random crops of training images that no variant was made with.
    data: a source of `open_dataset`; None: that of the run in the folder `run`, if there is one, which also knows what
    was held out. Files without parts that are not those of the run judge alone. photos: a folder of photographs without
    labels, instead of all other sources.
    Raises OptimizeError, DatasetError, ConfigurationError.
    """
    if photos is not None:
        return _from_crops(*folder_crops(photos, manifest.input, manifest.preprocessing))
    config = read_run_config(run)
    if data is not None and is_proof(data, config, ignoring_training=False):
        return _from_proof(manifest, data, config, budget)
    data = data or (None if config is None else config.data)
    if data is not None:
        return _from_dataset(manifest, data, hold_out_of_run(manifest, config), budget)
    if manifest.input.colour is Colour.RGB and min(manifest.input.shape[:2]) >= _SMALLEST_PHOTO:
        return _from_crops(*sample_crops(manifest.input, manifest.preprocessing))
    raise OptimizeError(
        f"{manifest.name} takes small or grey images, which sample photographs cannot stand for: "
        "name the data set that it was trained on with --data, or the folder of its run with --run"
    )


def _from_dataset(manifest: Manifest, data: str, hold_out: HoldOut, budget: float) -> EvaluationImages:
    """Open the data set with the fractions and the seed of the training, so that the same images are held out."""
    dataset = open_dataset(
        data,
        target=manifest.input,
        preprocessing=manifest.preprocessing,
        labels=manifest.labels,
        seed=hold_out.seed,
        validation=hold_out.validation,
        calibration=hold_out.calibration,
    )
    test_images, source = _test_images(dataset)
    if len(test_images) < images_needed(budget):
        return _from_training_images(manifest, dataset, len(test_images), budget)
    train, preprocessing = dataset.train.images, manifest.preprocessing
    chosen = np.sort(np.random.default_rng(seed=0).permutation(len(train))[:_RANGE_IMAGES])
    return EvaluationImages(
        range_images=evaluation_pixels(train[chosen], manifest.input, preprocessing),
        selection_images=dataset.calibration.images[:_SELECTION_IMAGES],
        training_images=partial(evaluation_pixels, train, manifest.input, preprocessing),
        test_images=test_images.images,
        labels=test_images.labels,
        made_with=f"training images of {dataset.metadata.title}; layers chosen on held-out ones",
        source=f"{source}",
    )


def _from_proof(manifest: Manifest, data: str, config: TrainingConfig | None, budget: float) -> EvaluationImages:
    """Return images of a source that the network never trained on: all of them judge where the run has others.

    Without the data of a run a fifth of them makes the variants, which the source says.
    """
    proof = open_proof(data, manifest, config, _MOST, 0)
    said = "; ".join([proof.title, *proof.remarks])
    if config is not None:
        _require_proof(data, len(proof.images), budget)
        making = _from_dataset(manifest, config.data, hold_out_of_run(manifest, config), budget)
        source = f"{said}"
        return replace(making, test_images=proof.images.images, labels=proof.images.labels, source=source)
    order = np.random.default_rng(seed=0).permutation(len(proof.images))
    taken = min(len(order) // _SHARE, _RANGE_IMAGES + _SELECTION_IMAGES)
    if taken < 2:
        raise OptimizeError(f"{data} has {len(order)} images: give 10 or more, or the folder of the run with --run")
    _require_proof(data, len(order) - taken, budget)
    making_pixels = proof.images.images[np.sort(order[:taken])]
    judging = proof.images.take(np.sort(order[taken:]))
    return EvaluationImages(
        range_images=making_pixels[::2],
        selection_images=making_pixels[1::2],
        training_images=None,
        test_images=judging.images,
        labels=judging.labels,
        made_with=f"{taken:,} of {proof.title}",
        source=f"{len(judging):,} of {said}; the other {taken:,} make the variants",
    )


def _require_proof(data: str, images: int, budget: float) -> None:
    """Raise OptimizeError where one of the images that judge weighs more than the budget."""
    needed = images_needed(budget)
    if images < needed:
        raise OptimizeError(
            f"{data} leaves {images:,} images to judge by, of which one weighs more than the budget of {budget:g} "
            f"points: give {needed:,} or more, or raise --budget"
        )


def _test_images(dataset: Dataset) -> tuple[LabelledImages, str]:
    """Return the images to prove accuracy on, and what they are."""
    title = dataset.metadata.title
    if dataset.test is not None:
        return dataset.test, f"test images of {title}"
    return dataset.validation, f"validation images of {title}, {CHOSE_THE_EPOCH} since there are no test images"


def _from_training_images(manifest: Manifest, dataset: Dataset, too_few: int, budget: float) -> EvaluationImages:
    """Return crops of training images, half of which make the variants. too_few: number of labelled proof images."""
    train, target, preprocessing = dataset.train.images, manifest.input, manifest.preprocessing
    crops = training_crops(train, target, preprocessing, images_needed(budget))
    part = "validation" if dataset.test is None else "test"
    made_of = train[crops.made_of]
    return EvaluationImages(
        range_images=evaluation_pixels(made_of[:_RANGE_IMAGES], target, preprocessing),
        selection_images=crops.making,
        training_images=partial(evaluation_pixels, made_of, target, preprocessing),
        test_images=crops.testing,
        labels=None,
        made_with=f"half of the training images of {dataset.metadata.title}; layers chosen on crops of them",
        source=f"{crops.description} of {dataset.metadata.title}; agreement with fp32, not accuracy, since one of only "
        f"{too_few:,} {part} images would weigh {100 / too_few:.1f} points, more than the budget of {budget:g}",
    )


def _from_crops(making: Crops, testing: Crops) -> EvaluationImages:
    return EvaluationImages(
        range_images=making.pixels[::2],
        selection_images=making.pixels[1::2],
        training_images=None,
        test_images=testing.pixels,
        labels=None,
        made_with=making.description,
        source=f"{testing.description}, without labels: the proof is agreement with fp32, not accuracy",
        groups=testing.groups,
    )
