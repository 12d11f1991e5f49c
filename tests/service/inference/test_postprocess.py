"""Which classes a client is told."""

from pathlib import Path

import numpy as np
import pytest

from models.contract import Task, read_bundle
from service.errors import InvalidOption, NotCalibrated
from service.inference.postprocess import coverage_threshold, ranking, top, unfamiliar
from tests.support.bundles import write_bundle


@pytest.mark.parametrize("classes", [1, 2, 10, 256, 257, 1000, 5000])
@pytest.mark.parametrize("count", [1, 2, 5, 300])
@pytest.mark.parametrize("distinct", [1, 3, 100_000])
def test_the_first_are_those_of_the_whole_ranking(classes: int, count: int, distinct: int) -> None:
    """Equal probabilities too, which stay in the order of the labels."""
    values = np.random.default_rng(classes).integers(0, distinct, classes)
    probabilities = (values / max(values.sum(), 1)).astype(np.float32)
    assert top(probabilities, count).tolist() == ranking(probabilities)[:count].tolist()


@pytest.mark.parametrize(("energy", "expected"), [(-8.5, False), (-8.0, False), (-7.5, True), (None, None)])
def test_an_image_is_unfamiliar_above_the_threshold(
    tmp_path: Path, energy: float | None, expected: bool | None
) -> None:
    """An energy of exactly the threshold is familiar, as where it was fitted."""
    manifest = read_bundle(write_bundle(tmp_path, energy_threshold=-8)).manifest
    assert unfamiliar(energy, manifest) is expected


def test_a_multilabel_model_has_no_prediction_sets(tmp_path: Path) -> None:
    """The refusal says why, and what to use instead."""
    manifest = read_bundle(write_bundle(tmp_path, task=Task.MULTILABEL)).manifest
    with pytest.raises(InvalidOption, match="do not sum to 1, so that there are no .* leave coverage out"):
        coverage_threshold(0.9, manifest)


@pytest.mark.parametrize(
    ("fitted_on", "reason"),
    [(None, "none: it was not calibrated; `snellen calibrate`"), ("12 images", "none: it was calibrated on too few")],
)
def test_a_model_without_prediction_sets_says_why(tmp_path: Path, fitted_on: str | None, reason: str) -> None:
    """It was never calibrated, or on too few images for any coverage."""
    manifest = read_bundle(write_bundle(tmp_path)).manifest
    calibration = manifest.calibration.model_copy(update={"fitted_on": fitted_on, "prediction_sets": None})
    with pytest.raises(NotCalibrated, match=reason):
        coverage_threshold(0.9, manifest.model_copy(update={"calibration": calibration}))
