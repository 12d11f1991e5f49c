"""The images that variants are made with and tested on."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.contract import Colour, Input, read_bundle
from tests.training.conftest import LABELS, striped
from tests.training.optimize.conftest import ALL
from training.errors import OptimizeError
from training.loop.config import TrainingConfig, write_config
from training.optimize.evaluation_images import find_evaluation_images
from training.optimize.make_variants import VariantOptions
from training.optimize.optimize import Source, optimize


def test_grey_images_without_data_are_refused_at_once(original: Path, tmp_path: Path) -> None:
    """Photographs could not stand for them."""
    with pytest.raises(OptimizeError, match="name the data set that it was trained on with --data"):
        optimize(original, ALL, VariantOptions(), Source(None, tmp_path), log=lambda _: None)


def rows(images: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> set[bytes]:
    return {image.tobytes() for image in images}


def test_no_image_is_used_both_to_make_a_variant_and_to_test_it(original: Path, source: Path, tmp_path: Path) -> None:
    """The test set measures; ranges come from training images, layers are chosen on held-out ones."""
    images = find_evaluation_images(read_bundle(original).manifest, str(source), tmp_path, budget=2)
    assert images.training_images is not None
    assert images.labels is not None
    assert len(images.test_images) == len(images.labels) == 80
    parts = [rows(part) for part in (images.training_images(), images.selection_images, images.test_images)]
    assert sum(map(len, parts)) == len(set.union(*parts))
    assert rows(images.range_images) <= parts[0]
    assert images.source.startswith("test images of ")


def test_the_folder_of_a_run_names_data_and_seed(original: Path, source: Path, tmp_path: Path) -> None:
    """Another seed holds out other images."""
    manifest = read_bundle(original).manifest
    write_config(TrainingConfig(name="stripes", data=str(source), seed=5), tmp_path)
    of_run = find_evaluation_images(manifest, None, tmp_path, budget=2)
    of_seed_0 = find_evaluation_images(manifest, str(source), tmp_path / "none", budget=2)
    assert rows(of_run.selection_images) != rows(of_seed_0.selection_images)
    assert rows(of_run.test_images) == rows(of_seed_0.test_images)


def test_too_few_labelled_images_are_no_proof(original: Path, source: Path, tmp_path: Path) -> None:
    """Each of 80 weighs 1.25 points, more than the budget: agreement is measured on crops of training images instead,
    those of one half making the variant and those of the other judging it.
    """
    images = find_evaluation_images(read_bundle(original).manifest, str(source), tmp_path, budget=0.5)
    assert images.labels is None
    assert len(images.test_images) == 400
    assert images.training_images is not None
    assert len(images.training_images()) == 180
    assert not rows(images.test_images) & (rows(images.selection_images) | rows(images.range_images))
    assert "random crops, each at least 30%, of 180 training images" in images.source
    assert "since one of only 80 test images would weigh 1.2 points, more than the budget of 0.5" in images.source
    assert len(find_evaluation_images(read_bundle(original).manifest, str(source), tmp_path, 0.1).test_images) == 1000


def test_photographs_stand_for_colour_images_without_labels(original: Path, tmp_path: Path) -> None:
    """They cannot fine-tune what is pruned."""
    manifest = read_bundle(original).manifest
    colour = manifest.model_copy(update={"input": Input(colour=Colour.RGB, height=96, width=96)})
    images = find_evaluation_images(colour, None, tmp_path)
    assert (images.labels, images.training_images) == (None, None)
    assert images.test_images.shape[1:] == (96, 96, 3)
    assert not rows(images.test_images) & (rows(images.range_images) | rows(images.selection_images))


def folders(root: Path, count: int) -> Path:
    """Write striped pictures into class folders without parts."""
    for number, (image, label) in enumerate(zip(*striped(count, seed=9), strict=True)):
        (root / LABELS[label]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(root / LABELS[label] / f"{number}.png")
    return root


def test_a_folder_without_parts_judges(original: Path, source: Path, tmp_path: Path) -> None:
    """All of it where the run has images to make variants with; else a fifth of it makes them, and none does both."""
    manifest = read_bundle(original).manifest
    photos = folders(tmp_path / "photos", 50)
    write_config(TrainingConfig(name="stripes", data=str(source)), tmp_path / "run")
    with pytest.raises(OptimizeError, match="leaves 50 images to judge by.*give 200 or more, or raise --budget"):
        find_evaluation_images(manifest, str(photos), tmp_path / "run")
    with pytest.raises(OptimizeError, match="leaves 40 images to judge by.*give 200 or more, or raise --budget"):
        find_evaluation_images(manifest, str(photos), tmp_path / "none")
    of_run = find_evaluation_images(manifest, str(photos), tmp_path / "run", 2.5)
    assert (len(of_run.test_images), of_run.training_images is None) == (50, False)
    alone = find_evaluation_images(manifest, str(photos), tmp_path / "none", 2.5)
    assert (len(alone.test_images), alone.training_images) == (40, None)
    assert not rows(alone.test_images) & (rows(alone.range_images) | rows(alone.selection_images))
    assert "40 of 50 images of" in alone.source
    assert "the other 10 make the variants" in alone.source
    with pytest.raises(OptimizeError, match="give 10 or more"):
        find_evaluation_images(manifest, str(folders(tmp_path / "few", 8)), tmp_path / "none")
