"""Scores in words, with what their number of images leaves uncertain."""

from models.contract import Scores
from training.evaluation.metrics import accuracy_interval

CHOSE_THE_EPOCH = "which also chose the epoch"
"""Words in the source of scores that were measured on validation images."""
_MANY, _SOME = 1_000, 100
"""Images from which on a percentage has two decimals, and one."""


def percent(share: float, images: int | None) -> str:
    """Return a share, 0 to 1, in percent, with as many decimals as its images allow."""
    decimals = 2 if images is None or images >= _MANY else 1 if images >= _SOME else 0
    return f"{100 * share:.{decimals}f}%"


def interval(share: float, images: int) -> str:
    """Return the 95 % interval of a share, 0 to 1, in percent."""
    low, high = accuracy_interval(share, images)
    return f"95 % interval {100 * low:.1f} to {100 * high:.1f} %"


def with_interval(share: float | None, images: int | None) -> str:
    """Return a share with four decimals and the bounds of its 95 % interval; empty for None."""
    if share is None:
        return ""
    if images is None:
        return f"{share:.4f}"
    low, high = accuracy_interval(share, images)
    return f"{share:.4f} ({low:.4f} to {high:.4f})"


def images_behind(scores: Scores) -> str:
    """Return the number of images that scores were measured on, and whether these chose the epoch; empty if unknown."""
    if scores.images is None:
        return ""
    also = f", {CHOSE_THE_EPOCH}" if CHOSE_THE_EPOCH in scores.source else ""
    return f"{scores.images:,} {'image' if scores.images == 1 else 'images'}{also}"
