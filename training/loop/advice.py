"""What the data say before the first step: sentences on steps, held-out and few images, and whether to mirror."""

from collections.abc import Sequence

import numpy as np

from models.contract import Colour
from training.data.dataset import Dataset
from training.data.split import describe_small_classes
from training.loop.batch_sampler import plan_epoch
from training.loop.config import TrainingConfig

FEW_IMAGES_OF_A_CLASS = 100
"""Training images of a class, on average, below which published weights are suggested."""


def opening_sentences(dataset: Dataset, config: TrainingConfig, processes: int = 1) -> list[str]:
    """Return what a person should know before the training; the first sentence has the data and the steps."""
    first, *others = dataset.sentences()
    small = describe_small_classes(
        dataset.train.labels,
        np.concatenate([dataset.validation.labels, dataset.calibration.labels]),
        dataset.metadata.labels,
        config.validation + config.calibration,
    )
    return [f"{first}; {_steps(len(dataset.train), config, processes)}", *others, *small, *_few_images(dataset, config)]


def decide_mirroring(config: TrainingConfig, dataset: Dataset) -> TrainingConfig:
    """Return the configuration with its decision on mirrored images, where it leaves that to the data.

    Grey pictures whose classes are called by one character each are digits or letters, which have another meaning or
    none in the mirror (docs/decisions/training-recipe.md).
    """
    augmentation = config.recipe.augmentation
    if augmentation.flip is not None:
        return config
    characters = dataset.target.colour is Colour.L and all(len(label) == 1 for label in dataset.metadata.labels)
    chosen = augmentation.model_copy(update={"flip": not characters})
    return config.model_copy(update={"recipe": config.recipe.model_copy(update={"augmentation": chosen})})


def describe_mirroring(given: TrainingConfig, decided: TrainingConfig) -> list[str]:
    """Return a sentence where the data decided against mirrored images."""
    if given.recipe.augmentation.flip is not None or decided.recipe.augmentation.flip:
        return []
    return ["pictures of digits or letters are not mirrored in training; --flip mirrors half of them"]


def _steps(images: int, config: TrainingConfig, processes: int) -> str:
    plan, epochs = plan_epoch(images, config.recipe.batch_size, processes), config.recipe.epochs
    passes = f", each image {plan.images / images:.1f} times" if plan.images > images else ""
    plural = "epoch" if epochs == 1 else "epochs"
    return f"{epochs:,} {plural} of {plan.steps:,} steps with {plan.batch_size:,} images{passes}"


def _few_images(dataset: Dataset, config: TrainingConfig) -> Sequence[str]:
    each = len(dataset.train) / len(dataset.metadata.labels)
    if config.start != "scratch" or each >= FEW_IMAGES_OF_A_CLASS:
        return ()
    return (
        f"few images to learn from nothing, about {each:.0f} of each class: --from imagenet starts from published "
        "weights",
    )
