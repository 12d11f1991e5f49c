"""Sources opened from end to end."""

from pathlib import Path

import numpy as np
from PIL import Image

from models.contract import Colour, Input, Preprocessing, preprocess
from tests.training.data.conftest import CLASSES
from training.data.dataset import Dataset, open_dataset

SMALL = Input(colour=Colour.RGB, height=7, width=7)


def sizes(dataset: Dataset) -> dict[str, int]:
    parts = {name: getattr(dataset, name) for name in ("train", "validation", "calibration", "test")}
    return {name: len(images) for name, images in parts.items() if images is not None}


def test_class_folders_become_parts(photos: Path) -> None:
    """Labels are the names of the folders; of 20 images a class one validates and one calibrates."""
    dataset = open_dataset(str(photos), target=SMALL)
    assert dataset.facts.labels == CLASSES
    assert sizes(dataset) == {"train": 54, "validation": 3, "calibration": 3}
    assert dataset.test is None
    assert np.bincount(dataset.train.labels).tolist() == [18, 18, 18]


def test_evaluation_sees_what_the_service_would_see(photos: Path) -> None:
    """Every held-out row is `preprocess` of one of the files, and of one of its class."""
    how = Preprocessing(crop_fraction=0.8)
    dataset = open_dataset(str(photos), target=SMALL, how=how)
    for images in (dataset.validation, dataset.calibration):
        for row, label in zip(images.images, images.labels, strict=True):
            files = (photos / CLASSES[label]).iterdir()
            assert any((preprocess(Image.open(file), SMALL, how) == row).all() for file in files)
