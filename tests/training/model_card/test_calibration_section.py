"""The section of the model card on calibration."""

from pathlib import Path

import numpy as np
import pytest

from models.contract import Calibration, read_bundle
from tests.training.evaluation.known_truth import CLASSES, drawn
from training.evaluation.calibrate import calibrate, measure
from training.evaluation.evaluate import Evaluation
from training.evaluation.metrics import softmax
from training.evaluation.out_of_distribution import OutOfDistribution
from training.model_card.model_card import model_card

MODELS = Path(__file__).parents[3] / "models"


def card_of(calibration: Calibration) -> str:
    manifest = read_bundle(MODELS / "fashion-mnist" / "3").manifest
    return model_card(manifest.model_copy(update={"calibration": calibration}))


@pytest.fixture(scope="module")
def measured() -> Calibration:
    fitted = calibrate(*drawn(2000, sharpness=3.0), fitted_on="held-out images")
    logits, labels = drawn(1000, sharpness=3.0, seed=1)
    test = Evaluation(softmax(logits, fitted.temperature).astype(np.float32), logits.astype(np.float32), labels)
    flat = OutOfDistribution("flat logits", np.zeros((50, CLASSES), np.float32))
    return measure(fitted, test, "the test set", [flat])


def test_the_card_shows_every_measured_number(measured: Calibration) -> None:
    """Errors before and after, each bin, each set, the energy with its rates."""
    card = card_of(measured)
    reliability, sets, energy = measured.reliability, measured.prediction_sets, measured.energy
    assert reliability is not None
    assert sets is not None
    assert energy is not None
    rows = [(reliability.adaptive_ece_before, reliability.adaptive_ece_after)]
    rows += [(part.confidence, part.accuracy) for part in reliability.bins]
    rows += [(sets.measured_coverage[coverage], sets.mean_size[coverage]) for coverage in sets.thresholds]
    assert all(f"| {first:.4f} | {second:.4f} |" in card for first, second in rows)
    assert f"An energy above {energy.threshold:.4f}" in card
    assert f"{energy.measured_true_positive_rate:.2%} stay at or below it" in card
    assert "| flat logits | 50 | " in card
    assert measured.baseline is not None
    assert "compares its traffic with the answers for 2,000 held-out images." in card
    assert f"| 0.99 to 1 | {measured.baseline.confidence[-1]:.4f} |" in card


def test_the_card_says_what_was_too_little() -> None:
    """Ten held-out images: no 99 %, no energy, and why."""
    card = card_of(calibrate(*drawn(10), fitted_on="ten images"))
    assert "**Weak:** fitted on 10 images; at least 200 are needed." in card
    assert "- 0.99: it needs 99 held-out images, there were 10" in card
    assert "No energy threshold: it needs 19 held-out images." in card
    assert "### None of the classes" not in card
    assert "Measured on" not in card.split("## Calibration")[1].split("## Limits")[0]
