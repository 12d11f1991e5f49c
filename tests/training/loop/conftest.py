"""Striped images to learn from."""

from pathlib import Path

import numpy as np

from models.contract import Colour, Input, Preprocessing
from tests.training.conftest import LABELS, SIDE, striped
from training.data.dataset import Dataset
from training.data.labelled_images import LabelledImages
from training.data.metadata import files_dataset
from training.data.warnings_list import DatasetWarnings
from training.loop.training_data import TrainingData, scaling_of

TARGET = Input(colour=Colour.L, height=SIDE, width=SIDE)
CLASSES = len(LABELS)


def labelled(count: int, seed: int) -> LabelledImages:
    images, labels = striped(count, seed)
    return LabelledImages(images[..., None], labels.astype(np.int64))


def training_data(train: int = 96, validation: int = 40) -> TrainingData:
    images = labelled(train, seed=1)
    return TrainingData(images, labelled(validation, seed=2), TARGET, scaling_of(images.images), CLASSES)


def dataset(train: int = 24, labels: tuple[str, ...] = ("owl", "hen", "tit", "jay")) -> Dataset:
    """A data set of that many images to learn from, and 8 in each of two held-out parts."""
    return Dataset(
        metadata=files_dataset(Path("birds"), labels),
        target=TARGET,
        preprocessing=Preprocessing(),
        train=labelled(train, seed=1),
        validation=labelled(8, seed=2),
        calibration=labelled(8, seed=3),
        test=None,
        warnings=DatasetWarnings(),
    )
