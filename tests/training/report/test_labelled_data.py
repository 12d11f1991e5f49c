"""Which labelled images a bundle is judged by."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.training.conftest import LABELS, striped
from tests.training.report.conftest import MakeBundle
from training.data.dataset import open_dataset
from training.data.split import HoldOut
from training.loop.config import TrainingConfig
from training.report.labelled_data import open_labelled_data, open_proof_or_held_out


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Class folders without a test part: what is judged was held out of the training."""
    images, labels = striped(200, seed=1)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        folder = tmp_path / "pictures" / LABELS[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{number}.png")
    return tmp_path / "pictures"


def test_the_images_are_those_that_the_training_held_out(make_bundle: MakeBundle, folders: Path) -> None:
    """With another seed or other shares they are others, some of which it learnt from."""
    bundle, hold_out = make_bundle(), HoldOut(validation=0.2, calibration=0.1, seed=7)
    target, preprocessing = bundle.manifest.input, bundle.manifest.preprocessing
    trained = open_dataset(
        str(folders),
        target=target,
        preprocessing=preprocessing,
        seed=7,
        validation=0.2,
        calibration=0.1,
        labels=bundle.manifest.labels,
    )
    found = open_labelled_data(str(folders), bundle, hold_out)
    judged = found.images
    assert found.source.endswith(", which also chose the epoch")
    np.testing.assert_array_equal(judged.images, trained.validation.images)
    other = open_labelled_data(str(folders), bundle, replace(hold_out, seed=8)).images
    assert not np.array_equal(other.images, judged.images)


def test_folders_that_are_numbers_keep_the_classes_of_the_bundle(make_bundle: MakeBundle, folders: Path) -> None:
    """In whatever order the bundle has them: only where it has other names do numbers stand for places."""
    bundle, hold_out = make_bundle(), HoldOut(validation=0.2, calibration=0.1)
    for number, name in enumerate(LABELS):
        (folders / name).rename(folders / str(number))
    by_place = open_labelled_data(str(folders), bundle, hold_out).images
    labels = ("1", "0", "3", "2")
    moved = replace(bundle, manifest=bundle.manifest.model_copy(update={"labels": labels}))
    by_label = open_labelled_data(str(folders), moved, hold_out).images
    found = {tuple(image.flatten()): label for image, label in zip(by_place.images, by_place.labels, strict=True)}
    same = [
        (found[tuple(i.flatten())], n)
        for i, n in zip(by_label.images, by_label.labels, strict=True)
        if tuple(i.flatten()) in found
    ]
    assert same
    assert all(labels[new] == str(old) for old, new in same)


def test_a_folder_that_is_not_of_the_run_judges_as_a_whole(make_bundle: MakeBundle, folders: Path) -> None:
    """Of that of the run, what it held out; both know the names of the files."""
    bundle = make_bundle()
    judged = open_proof_or_held_out(str(folders), bundle, TrainingConfig(name="stripes", data="fashion-mnist"))
    assert (len(judged.images), judged.source) == (200, f"200 images of {folders}")
    of_run = open_proof_or_held_out(str(folders), bundle, TrainingConfig(name="stripes", data=str(folders)))
    assert 8 <= len(of_run.images) <= 12
    for each in (judged, of_run):
        assert {Path(name).suffix for name in each.images.names} == {".png"}
