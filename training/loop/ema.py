"""Exponential moving average of the weights, which is evaluated and kept."""

import copy

import torch
from torch import nn

from training.networks.network import Network


class MovingAverage:
    """Exponential moving average of weights and running statistics; young averages follow faster.

    decay: per step; 0 copies the weights. every: steps between two updates.
    """

    def __init__(self, network: Network, decay: float, every: int) -> None:
        self.network = copy.deepcopy(network).eval()
        self._decay, self._every = decay, every if decay else 1

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Include the weights of `network` after `step`; most steps are skipped, which costs a fraction."""
        if step % self._every:
            return
        weight = 1 - min(self._decay, step / (step + 10)) ** self._every if self._decay else 1.0
        for average, value in zip(self.network.state_dict().values(), network.state_dict().values(), strict=True):
            if average.dtype.is_floating_point:
                average.lerp_(value, weight)
            else:
                average.copy_(value)
