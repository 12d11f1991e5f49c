"""Exponential moving average of the weights, which is evaluated and kept."""

from typing import Any

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from training.networks.network import Network


class MovingAverage(AveragedModel):
    """Exponential moving average of weights and running statistics; young averages follow faster.

    decay: per step; 0 copies the weights. every: steps between two updates.
    """

    module: Network

    def __init__(self, network: Network, decay: float, every: int) -> None:
        super().__init__(network, multi_avg_fn=self._average, use_buffers=True)
        self.eval()
        self.n_averaged.fill_(1)  # the initial weights are averaged too; from 0 on, the first update would copy
        self._decay, self._every = decay, every if decay else 1

    def update(self, network: nn.Module, step: int) -> None:
        """Include the weights of `network` after `step`; most steps are skipped, which costs a fraction."""
        if step % self._every == 0:
            self.update_parameters(network)

    def _average(self, averages: Any, values: Any, count: Tensor | int) -> None:
        """Average tensors of one type. Integers, which count batches, are copied."""
        if not averages[0].is_floating_point():
            for average, value in zip(averages, values, strict=True):
                average.copy_(value)
            return
        step = int(self.n_averaged) * self._every  # on the CPU; `count` is a copy on the device, which would be awaited
        decay = min(self._decay, step / (step + 10)) ** self._every
        get_ema_multi_avg_fn(decay)(averages, values, count)  # type: ignore[no-untyped-call]
