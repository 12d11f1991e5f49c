"""Summary of a network: for each layer output shape, parameters, multiply-adds and receptive field."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from models.contract import Input
from training.networks.network import Network, count_parameters
from training.networks.receptive_field import Window, WindowTracker

_Call = tuple[str, nn.Module, Tensor, object]
"""A module that ran: its path, the module, its output, and its first input."""


@dataclass(frozen=True)
class LayerSummary:
    """One layer, for one image. shape: of the output, without the batch; window: receptive field of a unit, or None."""

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    multiply_adds: int
    window: Window | None


@dataclass(frozen=True)
class NetworkSummary:
    """Each layer that has parameters, multiplies or changes the shape, in the order in which they run; and the totals.

    A multiply-add is one multiplication with its addition, in convolutions, matrix products and attention.
    """

    layers: tuple[LayerSummary, ...]
    parameters: int
    multiply_adds: int


def summarise(network: Network, target: Input) -> NetworkSummary:
    """Run an image through `network` on PyTorch's device `meta`, where nothing is computed; the network stays there."""
    network.eval().to("meta")
    image = torch.zeros(1, target.colour.channels, target.height, target.width, device="meta")
    calls: list[_Call] = []
    tracker, counter = WindowTracker(image), FlopCounterMode(display=False)
    hooks = [part.register_forward_hook(partial(_note, calls, path)) for path, part in network.named_modules() if path]
    try:
        with torch.no_grad(), counter, tracker:
            network(image)
    finally:
        for hook in hooks:
            hook.remove()
    work = {path: sum(counts.values()) // 2 for path, counts in counter.get_flop_counts().items()}
    return NetworkSummary(
        _layers(calls, _own_work(work), tracker), count_parameters(network), counter.get_total_flops() // 2
    )


def _note(calls: list[_Call], path: str, module: nn.Module, inputs: Sequence[object], output: object) -> None:
    if isinstance(output, Tensor):
        calls.append((path, module, output, next(iter(inputs), None)))


def _layers(calls: Sequence[_Call], work: dict[str, int], tracker: WindowTracker) -> tuple[LayerSummary, ...]:
    layers, seen = [], set[str]()
    for path, module, output, before in calls:
        parameters, multiply_adds = (0, 0) if path in seen else (_own_parameters(module), work.get(path, 0))
        seen.add(path)
        if parameters or multiply_adds or _reshapes(module, before, output):
            shape, window = tuple(output.shape[1:]), tracker.window(output)
            layers.append(LayerSummary(path, type(module).__name__, shape, parameters, multiply_adds, window))
    return tuple(layers)


def _reshapes(module: nn.Module, before: object, output: Tensor) -> bool:
    return isinstance(before, Tensor) and before.shape != output.shape and not list(module.children())


def _own_parameters(module: nn.Module) -> int:
    """Return the number of parameters without those of the modules inside."""
    return sum(parameter.numel() for parameter in module.parameters(recurse=False))


def _own_work(work: dict[str, int]) -> dict[str, int]:
    """Return multiply-adds by path, each without those of the modules inside."""
    own = dict(work)
    for path, amount in work.items():
        parents = [path.rsplit(".", count)[0] for count in range(1, path.count(".") + 1)]
        if parent := next((parent for parent in parents if parent in work), None):
            own[parent] -= amount
    return {path.removeprefix(f"{Network.__name__}."): amount for path, amount in own.items()}
