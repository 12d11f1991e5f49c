"""The budget: how much accuracy a variant may lose and still be admitted."""

import math

from models.contract import LARGEST_TOLERANCE
from training.optimize.result import MeasuredVariant

RULE_WITH_LABELS = "top-1 accuracy on the same images at most {budget:g} points below fp32"
RULE_WITHOUT = (
    "another class than fp32 for at most {budget:g} % of the images, more than which accuracy cannot fall there"
)
_ROUNDING = 1e-9
_FINEST = 0.1
"""Smallest budget, in points, that a proof has to resolve; a smaller one still allows no larger loss on its images."""


def images_needed(budget: float) -> int:
    """Return how many images a proof of accuracy needs, so that a single one weighs no more than `budget` points."""
    return math.ceil(100 / max(budget, _FINEST))


def budget_rule(budget: float, *, labelled: bool) -> str:
    """Return the rule in words. budget: percentage points."""
    return (RULE_WITH_LABELS if labelled else RULE_WITHOUT).format(budget=budget)


def rejection_reason(variant: MeasuredVariant, reference: MeasuredVariant, budget: float) -> str | None:
    """Return why `variant` is rejected, or None when it is admitted. budget: percentage points."""
    loss = (reference.quality - variant.quality) * 100
    if not variant.golden_difference <= LARGEST_TOLERANCE:  # also true for NaN
        return f"a golden image is off by {variant.golden_difference:.2f}, allowed: {LARGEST_TOLERANCE}"
    if not loss <= budget + _ROUNDING:
        what = "points of top-1" if reference.metrics.top1 is not None else "% of the images get another class"
        return f"{loss:.2f} {what}, allowed: {budget:g}"
    return None
