"""The temperature, and calibration as a whole: fitted on held-out images, measured on others."""

import numpy as np
import pytest

from models.contract import Calibration
from tests.training.evaluation.known_truth import CLASSES, drawn
from training.evaluation.calibrate import calibrate, measure
from training.evaluation.evaluate import Evaluation
from training.evaluation.metrics import softmax
from training.evaluation.out_of_distribution import OutOfDistribution


def test_calibration_lowers_nll_and_ece_of_overconfident_logits() -> None:
    """Both figures in the manifest go down, and the ranking stays."""
    logits, labels = drawn(4000, sharpness=3.0)
    result = calibrate(logits, labels, "held-out images")
    assert (result.nll_before or 0) > (result.nll_after or 9)
    assert (result.ece_before or 0) > 3 * (result.ece_after or 9)
    assert (result.adaptive_ece_before or 0) > 3 * (result.adaptive_ece_after or 9)
    assert (softmax(logits, result.temperature).argmax(1) == logits.argmax(1)).all()


def evaluation(count: int, temperature: float, sharpness: float, seed: int) -> Evaluation:
    """What a graph with this temperature inside would give."""
    logits, labels = drawn(count, sharpness, seed)
    return Evaluation(softmax(logits, temperature).astype(np.float32), logits.astype(np.float32), labels)


def measured_calibration() -> Calibration:
    fitted = calibrate(*drawn(2000, sharpness=3.0), fitted_on="held-out images")
    test = evaluation(5000, fitted.temperature, sharpness=3.0, seed=1)
    flat = OutOfDistribution("flat logits", np.zeros((50, CLASSES), np.float32))
    return measure(fitted, test, "the test set", [flat])


def test_everything_is_measured_on_images_that_nothing_was_fitted_to() -> None:
    """The temperature, sets and energy keep their promises there, each with the name of the set and its size."""
    result = measured_calibration()
    reliability, sets, energy = result.reliability, result.prediction_sets, result.energy
    assert reliability is not None
    assert sets is not None
    assert energy is not None
    assert {part.measured_on for part in (reliability, sets, energy)} == {"the test set"}
    assert {reliability.images, sets.measured_images, energy.measured_images} == {5000}
    assert reliability.ece_after < 0.02
    assert reliability.ece_before > 0.1
    assert reliability.nll_after < reliability.nll_before
    assert sets.measured_coverage["0.9"] == pytest.approx(0.9, abs=0.02)
    assert energy.measured_true_positive_rate == pytest.approx(0.95, abs=0.02)


def test_the_reliability_bins_hold_each_image_and_make_the_ece() -> None:
    """Nothing is drawn that was not counted."""
    reliability = measured_calibration().reliability
    assert reliability is not None
    assert sum(part.images for part in reliability.bins) == reliability.images
    gap = sum(part.images * abs(part.confidence - part.accuracy) for part in reliability.bins)
    assert gap / reliability.images == pytest.approx(reliability.ece_after)


def test_measuring_changes_nothing_that_was_fitted() -> None:
    """Temperature, thresholds and the figures of the calibration images stay as they were."""
    fitted = calibrate(*drawn(2000, sharpness=3.0), fitted_on="held-out images")
    result = measured_calibration()
    assert result.model_copy(update={"reliability": None, "prediction_sets": None, "energy": None}) == (
        fitted.model_copy(update={"prediction_sets": None, "energy": None})
    )
    assert result.prediction_sets is not None
    assert fitted.prediction_sets is not None
    assert result.prediction_sets.thresholds == fitted.prediction_sets.thresholds


def test_a_network_without_held_out_images_is_measured_as_it_is() -> None:
    """Its temperature is 1, so nothing changes between before and after, and it has no thresholds to measure."""
    unfitted = calibrate(*drawn(0), fitted_on="nothing")
    result = measure(unfitted, evaluation(500, 1.0, 1.0, seed=2), "the test set")
    assert (unfitted.fitted_on, unfitted.temperature) == (None, 1.0)
    assert result.reliability is not None
    assert result.reliability.ece_before == pytest.approx(result.reliability.ece_after, abs=1e-4)
    assert result.prediction_sets is None
    assert result.energy is None


def test_few_held_out_images_promise_less_and_say_so() -> None:
    """Ten are too few for 95 % and 99 %, and for the threshold of energy."""
    result = calibrate(*drawn(10), fitted_on="held-out images")
    assert result.prediction_sets is not None
    assert list(result.prediction_sets.thresholds) == ["0.8", "0.9"]
    assert "99 held-out images, there were 10" in result.prediction_sets.not_fitted["0.99"]
    assert result.energy is None
    assert "19 held-out images" in result.note


def test_a_calibration_on_few_images_is_weak() -> None:
    """Under 200 images, or under 10 of a class; it never claims more."""
    logits, labels = drawn(400)
    assert calibrate(logits, labels, "held-out images").weak is None
    assert calibrate(logits[:199], labels[:199], "held-out images").weak == (
        "fitted on 199 images; at least 200 are needed"
    )
    few = np.flatnonzero((labels != 3) | (np.cumsum(labels == 3) <= 4))
    found = calibrate(logits[few], labels[few], "held-out images", ("a", "b", "c", "d", "e", "f"))
    assert found.weak == "class 'd' has 4 images; at least 10 are needed"


def test_copies_of_an_image_do_not_make_a_calibration_strong() -> None:
    """They say no more than one of them."""
    logits, labels = drawn(150, seed=1)
    calibration = calibrate(np.tile(logits, (4, 1)), np.tile(labels, 4), "copies")
    assert calibration.images == 600
    assert calibration.weak == "fitted on 150 images; at least 200 are needed"


def test_logarithms_of_probabilities_give_no_energy_threshold() -> None:
    """Their energy is 0 for each image, and the note says so."""
    logits, labels = drawn(300)
    result = calibrate(np.log(softmax(logits)).astype(np.float32), labels, "held-out images")
    assert result.energy is None
    assert "the energy is the same for all images" in result.note


def test_one_image_is_too_few_for_an_energy_threshold() -> None:
    """The note says how many are needed, not that the energy is the same for all images."""
    logits, labels = drawn(1)
    assert calibrate(logits, labels, "held-out images").note.endswith("it needs 19 held-out images.")


def test_a_measured_calibration_survives_its_json() -> None:
    """What training writes is what the service reads, fields and bounds included."""
    result = measured_calibration()
    assert Calibration.model_validate_json(result.model_dump_json()) == result


def test_manifests_from_before_these_numbers_still_load() -> None:
    """All of them are optional."""
    old = Calibration.model_validate({"temperature": 1.2, "fitted_on": None, "note": "as it was"})
    assert (old.reliability, old.energy, old.adaptive_ece_after) == (None, None, None)


def test_one_score_for_two_classes_gives_no_energy_threshold() -> None:
    """Its energy is large wherever the first class is certain, so that certain answers would count as unfamiliar."""
    scores = np.random.default_rng(0).normal(0, 5, 500)
    logits = np.stack([np.zeros(500), scores], axis=1).astype(np.float32)
    result = calibrate(logits, (scores > 0).astype(np.int64), "held-out images")
    assert result.energy is None
    assert "the network has one score for two classes" in result.note


def test_too_few_images_are_the_reason_for_no_energy_threshold() -> None:
    """Also for one image, whose energy is the same as itself."""
    result = calibrate(np.array([[1.0, 2.0, 3.0]], np.float32), np.array([2]), "held-out images")
    assert "No energy threshold: it needs 19 held-out images." in result.note


def test_the_baseline_is_that_of_the_calibrated_answers() -> None:
    """Of the same images, at the fitted temperature, with the share above the threshold of energy."""
    logits, labels = drawn(2000, sharpness=3.0)
    result = calibrate(logits, labels, "held-out images")
    baseline = result.baseline
    assert baseline is not None
    assert (baseline.images, baseline.measured_on) == (2000, "held-out images")
    confidence = softmax(logits, result.temperature).max(axis=1)
    assert baseline.confidence[-1] == pytest.approx((confidence > 0.99).mean(), abs=1e-6)
    assert baseline.classes[0].share == pytest.approx((logits.argmax(axis=1) == 0).mean(), abs=1e-6)
    assert baseline.unfamiliar == pytest.approx(0.05, abs=0.002)


def test_without_held_out_images_or_an_energy_threshold_the_baseline_says_less() -> None:
    """No images give none; a few give one without a share of unfamiliar images."""
    assert calibrate(*drawn(0), fitted_on="nothing").baseline is None
    few = calibrate(*drawn(10), fitted_on="ten images").baseline
    assert few is not None
    assert few.unfamiliar is None
