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
    judged = open_labelled_data(str(folders), bundle, hold_out).images
    np.testing.assert_array_equal(judged.images, trained.validation.images)
    other = open_labelled_data(str(folders), bundle, replace(hold_out, seed=8)).images
    assert not np.array_equal(other.images, judged.images)


def test_a_folder_that_is_not_of_the_run_judges_as_a_whole(make_bundle: MakeBundle, folders: Path) -> None:
    """Of that of the run, what it held out; both know the names of the files."""
    bundle = make_bundle()
    judged = open_proof_or_held_out(str(folders), bundle, TrainingConfig(name="stripes", data="fashion-mnist"))
    assert (len(judged.images), judged.source) == (200, f"200 images of {folders}")
    of_run = open_proof_or_held_out(str(folders), bundle, TrainingConfig(name="stripes", data=str(folders)))
    assert 8 <= len(of_run.images) <= 12
    for each in (judged, of_run):
        assert {Path(name).suffix for name in each.images.names} == {".png"}
