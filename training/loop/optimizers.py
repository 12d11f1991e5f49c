"""Optimizers by name, with weight decay on weights only. Muon is our own: see docs/decisions/training-recipe.md."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop

from training.loop.recipe import Recipe
from training.networks.network import Network

_REST_LR = 5 / 3
"""Learning rate of the parameters that Muon does not take, as a multiple of Muon's own."""
_REST_DECAY = 0.1
_MOMENTUM = 0.9


class Muon(Optimizer):
    """Momentum with orthogonalized updates, so that no direction of a weight matrix dominates a step.

    Source: Jordan et al., 2024, "Muon: an optimizer for hidden layers"; convolutions are taken as [outputs, rest].
    """

    def __init__(self, parameters: Iterable[Any], lr: float, momentum: float, weight_decay: float) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update the parameters once. closure: required by the base class, not used."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad, group["lr"], group["momentum"], group["weight_decay"])

    def _update(self, weight: Tensor, gradient: Tensor, rate: float, momentum: float, decay: float) -> None:
        state = self.state[weight]
        if "velocity" not in state:
            state["velocity"] = torch.zeros_like(gradient)
        velocity = state["velocity"].mul_(momentum).add_(gradient)
        direction = orthogonalize(gradient.add(velocity, alpha=momentum).flatten(1)).view_as(weight)
        stretch = max(1.0, len(weight) / weight[0].numel()) ** 0.5
        weight.mul_(1 - rate * decay).add_(direction, alpha=-rate * stretch)


def orthogonalize(matrix: Tensor, steps: int = 5) -> Tensor:
    """Return float32 [m, n] with singular values near 1 and the singular vectors of `matrix`, by Newton-Schulz in
    bfloat16.
    """
    a, b, c = 3.4445, -4.7750, 2.0315  # the source's quintic: fast, with an error of up to 30 %, which is enough
    tall = len(matrix) > matrix.shape[1]
    x = (matrix / (matrix.norm() + 1e-7)).bfloat16()
    x = x.T if tall else x
    for _ in range(steps):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    result: Tensor = x.T if tall else x
    return result.float()


def build_optimizers(network: Network, recipe: Recipe) -> tuple[Optimizer, ...]:
    """Return the optimizers that together hold every parameter once, at their peak rates."""
    body_share = recipe.body_lr if recipe.freeze else 1.0
    body = _groups(network.body.parameters(), recipe.peak_lr * body_share, recipe.decay)
    head = _groups(network.head.parameters(), recipe.peak_lr, recipe.decay)
    if recipe.optimizer == "muon":
        return _muon(network, recipe, body_share)
    return (_BUILDERS[recipe.optimizer]([*body, *head]),)


def _groups(parameters: Iterable[Tensor], lr: float, decay: float) -> list[dict[str, Any]]:
    """Return parameter groups: weights with decay, and vectors (norms and biases) without."""
    every = list(parameters)
    weights = {"params": [p for p in every if p.ndim > 1], "lr": lr, "weight_decay": decay}
    vectors = {"params": [p for p in every if p.ndim <= 1], "lr": lr, "weight_decay": 0.0}
    return [group for group in (weights, vectors) if group["params"]]


def _muon(network: Network, recipe: Recipe, body_share: float) -> tuple[Optimizer, ...]:
    """Return Muon for all convolutions but the first and the depthwise, and SGD for all other parameters."""
    convolutions = [p for p in network.body.parameters() if p.ndim == 4]
    hidden = [p for p in convolutions[1:] if p.shape[1] > 1]
    chosen = {id(p) for p in hidden}
    rest_lr, rest_decay = recipe.peak_lr * _REST_LR, recipe.decay * _REST_DECAY
    body = [p for p in network.body.parameters() if id(p) not in chosen]
    groups = _groups(body, rest_lr * body_share, rest_decay) + _groups(network.head.parameters(), rest_lr, rest_decay)
    plain = SGD(groups, momentum=_MOMENTUM, nesterov=True)
    return (Muon(hidden, recipe.peak_lr * body_share, _MOMENTUM, recipe.decay), plain) if hidden else (plain,)


_BUILDERS: dict[str, Callable[[list[dict[str, Any]]], Optimizer]] = {
    "sgd": SGD,
    "momentum": lambda groups: SGD(groups, momentum=_MOMENTUM, nesterov=True),
    "rmsprop": lambda groups: RMSprop(groups, momentum=_MOMENTUM),
    "adam": Adam,
    "adamw": AdamW,
}
