"""Whether a network is better than one that always answers the most frequent class."""

import numpy as np
from numpy.typing import NDArray

from training.evaluation.metrics import accuracy_interval

_ONE_PERCENT = 0.01


def no_better_than_chance(hits: int, labels: NDArray[np.int64]) -> str | None:
    """Return a sentence where nothing shows that a network is better than guessing, else None.

    That is where the 95 % interval of its accuracy includes, or lies below, the share of the most frequent class.
    hits: images that the network classified correctly. labels: of all N images, int64 [N]; N is at least 1.
    """
    share = float(np.bincount(labels).max() / len(labels))
    low, high = accuracy_interval(hits / len(labels), len(labels))
    if low > share:
        return None
    between = f"95 % interval {_percent(low)} to {_percent(high)} %"
    return (
        f"no better than guessing, as far as {len(labels):,} held-out images tell: {hits:,} of them classified "
        f"correctly ({between}), where always answering the most frequent class would be right for {_percent(share)} %"
    )


def _percent(share: float) -> str:
    """Return a share, 0 to 1, in percent without its sign; below one percent with two decimals."""
    return f"{100 * share:.0f}" if share >= _ONE_PERCENT else f"{100 * share:.2f}"
