"""The softmax temperature that held-out images give."""

import numpy as np
import pytest

from tests.training.evaluation.known_truth import CLASSES, drawn
from training.evaluation.metrics import expected_calibration_error, softmax
from training.evaluation.temperature import fit_temperature


@pytest.mark.parametrize("sharpness", [0.4, 1.0, 3.0])
def test_the_temperature_undoes_a_known_sharpness(sharpness: float) -> None:
    """Logits that were multiplied by s need temperature s."""
    assert fit_temperature(*drawn(20_000, sharpness)) == pytest.approx(sharpness, rel=0.05)


def test_a_few_images_that_are_all_right_do_not_make_the_network_certain() -> None:
    """The NLL alone would fall without end, and the temperature with it to its bound."""
    labels = np.arange(25, dtype=np.int64) % CLASSES
    assert 0.3 < fit_temperature(8.0 * np.eye(CLASSES)[labels], labels) < 1


def test_temperature_leaves_little_error_on_new_images() -> None:
    """Fitted on one draw, the ECE of another falls to what chance alone gives."""
    temperature = fit_temperature(*drawn(5000, sharpness=3.0))
    logits, labels = drawn(20_000, sharpness=3.0, seed=1)
    assert expected_calibration_error(softmax(logits), labels) > 0.15
    assert expected_calibration_error(softmax(logits, temperature), labels) < 0.015
