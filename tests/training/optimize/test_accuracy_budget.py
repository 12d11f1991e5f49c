"""The budget decides which variants are admitted."""

from dataclasses import replace

import pytest

from models.contract import LARGEST_TOLERANCE, Agreement, Precision, Scores, Speed
from training.optimize.accuracy_budget import images_needed, rejection_reason
from training.optimize.result import MeasuredVariant

SPEED = Speed(machine="none", threads=1, batch_size=1, images_per_s=100, ratio=1)


AGREEMENT = Agreement(source="none", images=10, top1=0.99, mean_distance=0, max_distance=0)


FP32 = MeasuredVariant(Precision.FP32, Scores(measured=True, source="none", top1=0.95), None, SPEED, 100, 90)


def variant(
    top1: float | None = 0.95, *, agreement: float = 0.99, ratio: float = 1, size: int = 100
) -> MeasuredVariant:
    return MeasuredVariant(
        Precision.INT8,
        Scores(measured=True, source="none", top1=top1),
        AGREEMENT.model_copy(update={"top1": agreement}),
        SPEED.model_copy(update={"ratio": ratio}),
        size,
        size,
    )


@pytest.mark.parametrize(("top1", "admitted"), [(0.96, True), (0.945, True), (0.9449, False), (float("nan"), False)])
def test_the_budget_is_in_points_of_top1(top1: float, admitted: bool) -> None:
    """Half a point below fp32 is inside, a hair more is not; better is never refused."""
    measured = replace(variant(), metrics=Scores.model_construct(measured=True, source="none", top1=top1))
    assert (rejection_reason(measured, FP32, budget=0.5) is None) == admitted


@pytest.mark.parametrize(("agreement", "admitted"), [(0.995, True), (0.99, False)])
def test_without_labels_the_budget_bounds_disagreement(agreement: float, admitted: bool) -> None:
    """Accuracy cannot fall by more than the share of images that get another class."""
    reference = replace(FP32, metrics=Scores(measured=True, source="none"))
    assert (rejection_reason(variant(None, agreement=agreement), reference, budget=0.5) is None) == admitted


@pytest.mark.parametrize(("budget", "images"), [(0.5, 200), (1, 100), (16.7, 6), (100, 1), (0, 1000)])
def test_a_proof_is_no_coarser_than_its_budget(budget: float, images: int) -> None:
    """One image weighs no more than the budget; a budget of nothing asks for a thousand."""
    assert images_needed(budget) == images


@pytest.mark.parametrize("difference", [LARGEST_TOLERANCE + 0.01, float("nan")])
def test_golden_images_bound_what_any_budget_admits(difference: float) -> None:
    """However large the budget is."""
    reason = rejection_reason(replace(variant(), golden_difference=difference), FP32, budget=100)
    assert reason is not None
    assert "golden image" in reason
