"""What is said before the first step."""

from dataclasses import replace

import numpy as np

from tests.training.loop.conftest import dataset, labelled
from training.data.labelled_images import LabelledImages
from training.loop.advice import opening_sentences
from training.loop.config import TrainingConfig

CONFIG = TrainingConfig(name="birds", data="birds")


def test_few_images_get_their_steps_and_a_suggestion() -> None:
    """The first sentence says how long it takes; published weights are suggested below 100 images a class."""
    first, suggestion = opening_sentences(dataset(80), CONFIG)
    assert first.endswith(
        "80 train, 8 validation, 8 calibration; input 16x16 grey; "
        "32 epochs of 16 steps with 16 images, each image 3.2 times"
    )
    assert suggestion.startswith("few images to learn from nothing, about 20 of each class")
    assert "--from imagenet" in suggestion


def test_enough_images_and_published_weights_get_no_suggestion() -> None:
    """Only the steps are said."""
    (first,) = opening_sentences(dataset(400), CONFIG)
    assert first.endswith("; 32 epochs of 25 steps with 16 images")
    assert len(opening_sentences(dataset(80), TrainingConfig(name="birds", data="birds", start="imagenet"))) == 1


def test_classes_without_held_out_images_are_named() -> None:
    """They train, and nothing is measured on them before the test."""
    seven = np.arange(8) % 4 != 3
    few = LabelledImages(labelled(8, seed=2).images[seven], labelled(8, seed=2).labels[seven])
    sentences = opening_sentences(replace(dataset(400), validation=few, calibration=few), CONFIG)
    assert sentences[-1] == "these classes are too small to hold images out, so all are for training: jay (100)"
