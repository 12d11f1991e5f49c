"""Sentences of a run before its first step: its steps, what it holds out, and what to try with few images."""

from collections.abc import Sequence

import numpy as np

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
