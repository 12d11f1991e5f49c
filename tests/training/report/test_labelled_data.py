"""Which labelled images a bundle is judged by."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.contract import Bundle, Manifest
from tests.training.conftest import LABELS, striped
from tests.training.report.conftest import MakeBundle
from training.data.dataset import open_dataset
from training.data.split import HoldOut
from training.loop.config import TrainingConfig, write_config
from training.loop.held_out import hold_out_of_run, read_run_config
from training.report.labelled_data import open_labelled_data


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Class folders without a test part: what is judged was held out of the training."""
    images, labels = striped(200, seed=1)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        folder = tmp_path / "pictures" / LABELS[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{number}.png")
    return tmp_path / "pictures"


def seeded(bundle: Bundle, seed: int | None) -> Manifest:
    made = bundle.manifest.provenance.model_copy(update={"seed": seed})
    return bundle.manifest.model_copy(update={"provenance": made})


def test_what_a_run_held_out_is_read_from_its_configuration(make_bundle: MakeBundle, tmp_path: Path) -> None:
    """Seed and shares, whatever the manifest says."""
    write_config(TrainingConfig(name="stripes", data="x", seed=7, validation=0.2, calibration=0.1), tmp_path / "run")
    assert hold_out_of_run(seeded(make_bundle(), 3), read_run_config(tmp_path / "run")) == HoldOut(0.2, 0.1, 7)


@pytest.mark.parametrize(("seed", "expected"), [(3, 3), (None, 0)])
def test_without_a_run_the_seed_is_that_of_the_manifest(
    seed: int | None, expected: int, make_bundle: MakeBundle, tmp_path: Path
) -> None:
    """And 0 for a bundle that knows of none; a folder without a configuration is no run."""
    manifest = seeded(make_bundle(), seed)
    assert hold_out_of_run(manifest, read_run_config(None)) == HoldOut(seed=expected)
    assert hold_out_of_run(manifest, read_run_config(tmp_path)) == HoldOut(seed=expected)


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
