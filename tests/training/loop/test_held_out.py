"""The images that a training held out."""

from pathlib import Path

import pytest

from models.contract import Manifest, read_bundle
from training.data.split import HoldOut
from training.loop.config import TrainingConfig, write_config
from training.loop.held_out import hold_out_of_run, read_run_config

SHIPPED = Path(__file__).parents[3] / "models" / "fashion-mnist" / "3"


def seeded(seed: int | None) -> Manifest:
    manifest = read_bundle(SHIPPED).manifest
    made = manifest.provenance.model_copy(update={"seed": seed})
    return manifest.model_copy(update={"provenance": made})


def test_what_a_run_held_out_is_read_from_its_configuration(tmp_path: Path) -> None:
    """Seed and shares, whatever the manifest says."""
    write_config(TrainingConfig(name="stripes", data="x", seed=7, validation=0.2, calibration=0.1), tmp_path / "run")
    assert hold_out_of_run(seeded(3), read_run_config(tmp_path / "run")) == HoldOut(0.2, 0.1, 7)


@pytest.mark.parametrize(("seed", "expected"), [(3, 3), (None, 0)])
def test_without_a_run_the_seed_is_that_of_the_manifest(seed: int | None, expected: int, tmp_path: Path) -> None:
    """And 0 for a bundle that knows of none; a folder without a configuration is no run."""
    manifest = seeded(seed)
    assert hold_out_of_run(manifest, read_run_config(None)) == HoldOut(seed=expected)
    assert hold_out_of_run(manifest, read_run_config(tmp_path)) == HoldOut(seed=expected)
