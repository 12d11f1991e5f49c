"""Striped images to learn from."""

import numpy as np

from models.contract import Colour, Input
from tests.training.conftest import LABELS, SIDE, striped
from training.data.labelled_images import LabelledImages
from training.loop.training_data import TrainingData, scaling_of

TARGET = Input(colour=Colour.L, height=SIDE, width=SIDE)
CLASSES = len(LABELS)


def labelled(count: int, seed: int) -> LabelledImages:
    images, labels = striped(count, seed)
    return LabelledImages(images[..., None], labels.astype(np.int64))


def training_data(train: int = 96, validation: int = 40) -> TrainingData:
    images = labelled(train, seed=1)
    return TrainingData(images, labelled(validation, seed=2), TARGET, scaling_of(images.images), CLASSES)
