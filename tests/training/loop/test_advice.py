"""What is said before the first step."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from models.contract import Colour
from tests.training.loop.conftest import dataset, labelled
from training.data.labelled_images import LabelledImages
from training.loop.advice import decide_mirroring, describe_mirroring, opening_sentences
from training.loop.config import TrainingConfig, configure

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


@pytest.mark.parametrize(
    ("labels", "colour", "given", "expected"),
    [
        ("2357", Colour.L, None, False),
        ("2357", Colour.L, True, True),
        ("2357", Colour.RGB, None, True),
        (("owl", "hen", "tit", "jay"), Colour.L, None, True),
        (("owl", "hen", "tit", "jay"), Colour.L, False, False),
    ],
)
def test_grey_pictures_of_characters_are_not_mirrored(
    labels: Sequence[str], colour: Colour, given: bool | None, expected: bool
) -> None:
    """Unless the configuration says so; what the data decide against is said."""
    data = dataset(16, labels=tuple(labels))
    data = replace(data, target=data.target.model_copy(update={"colour": colour}))
    config = configure(None, {"name": "birds", "data": "birds", "recipe.augmentation.flip": given}, [])
    decided = decide_mirroring(config, data)
    assert decided.recipe.augmentation.flip is expected
    assert bool(describe_mirroring(config, decided)) is (given is None and not expected)
