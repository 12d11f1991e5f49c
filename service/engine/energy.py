"""The energy of images: how unfamiliar they are to the network, from its logits."""

import numpy as np
from numpy.typing import NDArray


def energies_of(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return -log sum exp(logits) of each row, in nats: float32 [N]. A larger energy means less familiar.

    logits: float32 [N, K], before the temperature. A row with NaN or positive infinity has the energy NaN.
    Source: Liu et al., Energy-based Out-of-distribution Detection, NeurIPS 2020, at T = 1.
    """
    largest = logits.max(axis=1)
    with np.errstate(invalid="ignore"):  # infinity minus infinity is NaN, which the batch reports
        sums = np.exp(logits - largest[:, None]).sum(axis=1)
        energies: NDArray[np.float32] = -(largest + np.log(sums))
    return energies
