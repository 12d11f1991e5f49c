"""The energy score: how much of the familiar it keeps, how much of the unfamiliar it lets in."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from models.contract import EnergyThreshold
from tests.training.evaluation.known_truth import CLASSES, drawn
from training.evaluation.energy_score import ENERGY_IMAGES, auroc, energy, fit_energy, measure_energy
from training.evaluation.metrics import softmax
from training.evaluation.out_of_distribution import OutOfDistribution


def fitted(count: int = 2000) -> EnergyThreshold:
    result = fit_energy(drawn(count)[0], "held-out images")
    assert result is not None
    return result


def test_energy_is_the_negative_logarithm_of_the_summed_exponentials() -> None:
    """In nats, without overflow, and larger where the logits are smaller."""
    assert energy(np.zeros((1, 4))) == pytest.approx(-np.log(4))
    assert energy(np.array([[1000.0, 1000.0]])) == pytest.approx(-1000 - np.log(2))
    assert energy(np.full((1, 3), -1.0)) > energy(np.full((1, 3), 1.0))


def test_95_percent_of_new_familiar_images_stay_below_on_average() -> None:
    """Over 200 thresholds, each from 199 images, within four standard errors."""
    thresholds = [fit_energy(drawn(199, seed=seed)[0], "a part") for seed in range(200)]
    new = energy(drawn(50_000, seed=1000)[0])
    kept = [(new <= found.threshold).mean() for found in thresholds if found]
    assert len(kept) == 200
    assert np.mean(kept) == pytest.approx(0.95, abs=4 * np.sqrt(0.95 * 0.05 / 200 / 200) + 1 / 200)


def test_of_images_like_its_own_it_lets_in_as_many_as_it_keeps() -> None:
    """Nothing can tell them apart: the false-positive rate is the true-positive rate, the AUROC one half."""
    same = OutOfDistribution("the same", drawn(5000, seed=1)[0].astype(np.float32))
    (result,) = measure_energy(fitted(), drawn(5000, seed=2)[0], "test", [same]).out_of_distribution
    assert result.false_positive_rate == pytest.approx(0.95, abs=0.02)
    assert result.auroc == pytest.approx(0.5, abs=0.02)


def test_the_less_familiar_the_fewer_are_let_in() -> None:
    """Logits shrunk toward nothing raise the energy; the names and sizes of the sets are kept in order."""
    logits = drawn(2000, seed=1)[0].astype(np.float32)
    others = [OutOfDistribution(f"{shift} below", logits - shift) for shift in (1, 3, 20)]
    results = measure_energy(fitted(), drawn(2000, seed=2)[0], "test", others).out_of_distribution
    rates = [result.false_positive_rate for result in results]
    assert rates == sorted(rates, reverse=True)
    assert (results[-1].title, results[-1].images) == ("20 below", 2000)
    assert (results[-1].false_positive_rate, results[-1].auroc) == (0.0, 1.0)


def test_equal_energies_are_familiar_together() -> None:
    """The threshold is one of the energies it was fitted to, and holds it."""
    level = np.zeros((40, CLASSES))
    level[:20] += 1
    result = fit_energy(level, "held-out images")
    assert result is not None
    assert measure_energy(result, level, "test", []).measured_true_positive_rate == 1.0


def test_energies_that_are_all_the_same_give_no_threshold() -> None:
    """As those of logarithms of probabilities, which sum to 1 for each image."""
    assert fit_energy(np.log(softmax(drawn(100)[0])), "held-out images") is None


def test_too_few_images_give_no_threshold() -> None:
    """19 are the fewest of which 95 % can be promised for the next."""
    assert ENERGY_IMAGES == 19
    assert fit_energy(drawn(18)[0], "held-out images") is None
    assert fit_energy(drawn(19)[0], "held-out images") is not None


def test_auroc_is_the_share_of_pairs_in_which_the_unfamiliar_energy_is_larger() -> None:
    """A tie counts as half a pair: of these eight pairs five are larger and two are equal."""
    assert auroc(np.array([0.0, 1.0, 1.0, 2.0]), np.array([3.0, 1.0])) == 6 / 8
    assert auroc(np.array([1.0]), np.array([2.0])) == 1.0
    assert auroc(np.array([2.0]), np.array([1.0])) == 0.0


def test_auroc_is_that_of_scikit_learn() -> None:
    """For sets of different sizes with many equal energies."""
    random = np.random.default_rng(0)
    familiar, unfamiliar = random.integers(0, 40, 700) / 8, random.integers(10, 50, 300) / 8
    expected = roc_auc_score(np.repeat([0, 1], [700, 300]), np.concatenate([familiar, unfamiliar]))
    assert auroc(familiar, unfamiliar) == pytest.approx(expected, abs=1e-12)
