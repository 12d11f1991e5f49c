"""The model card tells everything that the manifest knows, and nothing that it does not."""

from pathlib import Path

import numpy as np
import pytest

from models.contract import Manifest, Preprocessing, Task, read_bundle
from training.model_card.model_card import model_card

MODELS = Path(__file__).parents[3] / "models"


def test_a_card_of_a_bundle_without_calibration_has_no_empty_section() -> None:
    """What its manifest does not know is left out."""
    card = model_card(read_bundle(MODELS / "imagenet" / "1").manifest)
    assert "### Reliability" not in card
    assert "None" not in card.split("## Limits")[0].replace("None of", "")
    assert "|  |" not in card.replace("|  | before", "")


def test_a_card_without_figures_has_no_table_of_them() -> None:
    """As of an imported file, whose accuracy nothing tells."""
    manifest = read_bundle(MODELS / "imagenet" / "1").manifest
    metrics = manifest.variants[0].metrics.model_copy(update={"top1": None, "top5": None})
    variant = manifest.variants[0].model_copy(update={"metrics": metrics})
    assert "| measure | value |" in model_card(manifest)
    assert "| measure | value |" not in model_card(manifest.model_copy(update={"variants": (variant,)}))


@pytest.mark.parametrize(
    ("preprocessing", "line"),
    [
        (Preprocessing(crop_fraction=0.875), "crop, keeping 0.875 of each side, bicubic"),
        (Preprocessing(resize="squash"), "squash, the whole picture in other proportions, bicubic"),
        (
            Preprocessing(resize="pad", pad_colour=(1, 2, 3)),
            "pad, the whole picture in its proportions, with a border of RGB 1, 2, 3, bicubic",
        ),
    ],
)
def test_a_card_says_what_becomes_of_any_picture(preprocessing: Preprocessing, line: str) -> None:
    """Its part, its proportions, its border."""
    manifest = read_bundle(MODELS / "imagenet" / "1").manifest.model_copy(update={"preprocessing": preprocessing})
    assert f"- From any picture: {line}\n" in model_card(manifest)


def test_a_card_names_the_task_of_several_labels() -> None:
    """The usual one, of one class an image, is not mentioned."""
    manifest = read_bundle(MODELS / "imagenet" / "1").manifest
    several = manifest.model_copy(update={"task": Task.MULTILABEL})
    assert "- Task: multilabel, any number of classes" in model_card(several)
    assert "Task:" not in model_card(manifest)


def test_a_card_names_the_bits_in_use() -> None:
    """Where they are not all 16."""
    manifest = read_bundle(MODELS / "imagenet" / "1").manifest
    twelve = manifest.preprocessing.model_copy(update={"bits": 12})
    assert "are read as 12 bits" in model_card(manifest.model_copy(update={"preprocessing": twelve}))
    assert "bits a pixel" not in model_card(manifest)


def test_a_bar_in_a_label_does_not_break_the_table() -> None:
    """Every row of the confusion matrix keeps its columns."""
    manifest = read_bundle(MODELS / "fashion-mnist" / "3").manifest
    labels = ("left|right", *manifest.labels[1:])
    card = model_card(Manifest.model_validate({**manifest.model_dump(), "labels": labels}), np.eye(10, dtype=np.int64))
    assert "| 0 left\\|right | 1 |" in card


def test_accuracy_has_its_interval_and_its_images() -> None:
    """And a word where these chose the epoch; five classes or fewer have no top 5."""
    manifest = read_bundle(MODELS / "fashion-mnist" / "3").manifest
    assert "| top1 (95 % interval) | 0.9549 (0.9507 to 0.9588) |" in model_card(manifest)
    assert "| top5 |" in model_card(manifest)
    few = manifest.variants[0].metrics.model_copy(
        update={"images": 6, "top1": 1.0, "source": "validation images of birds, which also chose the epoch"}
    )
    variant = manifest.variants[0].model_copy(update={"metrics": few})
    card = model_card(manifest.model_copy(update={"variants": (variant,), "labels": manifest.labels[:3]}))
    assert "| measured on | 6 images, which also chose the epoch |" in card
    assert "| top1 (95 % interval) | 1.0000 (0.6097 to 1.0000) |" in card
    assert "top5" not in card
