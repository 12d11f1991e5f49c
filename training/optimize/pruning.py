"""The pruned variant: magnitude pruning and fine-tuning of the ONNX graph itself, without a run folder."""

from collections.abc import Callable
from pathlib import Path
from time import monotonic

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import prune

from models.contract import LOGITS, Input, Pixels
from training.errors import ReportError, SkippedVariant
from training.importing.fixed_images import fixed_images
from training.onnx_graph.graph import Graph
from training.onnx_graph.layers import find_layers
from training.onnx_graph.torch_replay import TorchReplay

Log = Callable[[str], None]
_BATCH = 128
_PEAK_RATE = 1e-3
_SOFTNESS = 2.0
_SHIFT = 2
_REPORT_EVERY_S = 15.0


class PrunableGraph(nn.Module):
    """The graph up to its logits.

    Weights and biases are parameters, except those of the head, which the class map shares.
    Raises SkippedVariant for unknown operators, and when there is nothing to prune.
    """

    def __init__(self, model: Path, target: Input) -> None:
        super().__init__()
        graph = Graph(model)
        try:
            self._replay = TorchReplay(graph, LOGITS)
            self._replay.check(fixed_images(target))
        except ReportError as error:
            raise SkippedVariant(f"it cannot be fine-tuned: {error}") from error
        layers = find_layers(graph.model)
        self._weights = list(dict.fromkeys(layer.weight for layer in layers if layer.weight is not None))
        if not self._weights:
            raise SkippedVariant("it has no weights before its head")
        biases = list(dict.fromkeys(layer.bias for layer in layers if layer.bias is not None))
        self._names = {name: f"tensor_{index}" for index, name in enumerate(self._weights + biases)}
        for name, attribute in self._names.items():
            setattr(self, attribute, nn.Parameter(torch.tensor(graph.constants[name])))

    def forward(self, images: Tensor) -> Tensor:
        """Return logits [N, K] of uint8 [N, H, W, C]."""
        return self._replay(images, self.tensors())

    def tensors(self) -> dict[str, Tensor]:
        """Return the tensors by their names in the graph."""
        return {name: getattr(self, attribute) for name, attribute in self._names.items()}

    def prune(self, sparsity: float) -> None:
        """Set the least important weights to zero, the share `sparsity` of all, and hold them there."""
        parameters = [(self, self._names[name]) for name in self._weights]
        scores = {pair: _importance(getattr(*pair)) for pair in parameters}
        prune.global_unstructured(parameters, prune.L1Unstructured, scores, amount=sparsity)

    def finish(self) -> float:
        """Make the zeros part of the weights. Returns their share of all weights."""
        for name in self._weights:
            prune.remove(self, self._names[name])  # type: ignore[no-untyped-call]
        weights = [self.tensors()[name] for name in self._weights]
        return sum(int((weight == 0).sum()) for weight in weights) / sum(weight.numel() for weight in weights)


def write_pruned(
    model: Path, path: Path, images: Pixels, target: Input, sparsity: float, epochs: int, log: Log
) -> float:
    """Prune the graph in `model`, fine-tune it to its former outputs on `images`, and write it to `path`.

    images: uint8 [N, H, W, C] of the training part; labels are not needed. Returns the share of zeros.
    """
    network = PrunableGraph(model, target)
    teacher = TorchReplay(Graph(model), LOGITS)
    network.prune(sparsity)
    _distil(network, teacher, torch.from_numpy(np.ascontiguousarray(images)), epochs, log)
    zeros = network.finish()
    onnx.save(_with_tensors(onnx.load(model), network.tensors()), path)
    return zeros


def _importance(weight: Tensor) -> Tensor:
    """Return each squared weight over the sum of the squares that are not smaller in its layer, so that no layer is
    pruned away.

    Source: Lee et al., ICLR 2021, "Layer-adaptive sparsity for the magnitude-based pruning".
    """
    squares, order = weight.detach().double().flatten().square().sort()
    rest = squares.flip(0).cumsum(0).flip(0)
    return torch.zeros_like(squares).scatter(0, order, squares / rest.clamp_min(1e-30)).view_as(weight)


def _distil(network: PrunableGraph, teacher: TorchReplay, images: Tensor, epochs: int, log: Log) -> None:
    """Train the pruned graph on the teacher's outputs for the same mirrored and shifted images.

    Source: Beyer et al., CVPR 2022.
    """
    random = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(network.parameters(), lr=_PEAK_RATE)
    steps = epochs * max(1, len(images) // _BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _PEAK_RATE, steps, pct_start=0.1)
    progress = _Reports(log, epochs * len(images))
    for epoch in range(1, epochs + 1):
        order = torch.randperm(len(images), generator=random)
        losses = []
        for batch in torch.split(order, _BATCH)[: steps // epochs]:
            losses.append(_step(network, teacher, _vary(images[batch], random), optimizer, schedule))
            progress.advance(len(batch))
        log(f"fine-tuning {epoch}/{epochs}: distance from fp32 {sum(losses) / len(losses):.4f} nats")


class _Reports:
    """Logs the progress every few seconds."""

    def __init__(self, log: Log, images: int) -> None:
        self._log, self._images, self._done = log, images, 0
        self._started = self._last = monotonic()

    def advance(self, images: int) -> None:
        self._done += images
        now = monotonic()
        if now - self._last > _REPORT_EVERY_S:
            self._last, rate = now, self._done / (now - self._started)
            left_s = (self._images - self._done) / rate
            self._log(f"{self._done:,} of {self._images:,} images, {rate:.0f} images/s, {left_s / 60:.1f} min left")


def _step(
    network: PrunableGraph,
    teacher: TorchReplay,
    images: Tensor,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
) -> float:
    with torch.autocast("cpu", torch.bfloat16):
        with torch.no_grad():
            wanted = functional.log_softmax(teacher(images).float() / _SOFTNESS, dim=1)
        got = functional.log_softmax(network(images).float() / _SOFTNESS, dim=1)
    loss = functional.kl_div(got, wanted, log_target=True, reduction="batchmean")
    optimizer.zero_grad()
    torch.autograd.backward(loss)
    optimizer.step()
    schedule.step()
    return loss.item()


def _vary(images: Tensor, random: torch.Generator) -> Tensor:
    """Mirror the batch or not, and shift it by a few pixels, cyclically."""
    down, right = torch.randint(-_SHIFT, _SHIFT + 1, (2,), generator=random).tolist()
    mirrored = images.flip(2) if torch.rand(1, generator=random) < 0.5 else images
    return mirrored.roll((down, right), (1, 2))


def _with_tensors(model: onnx.ModelProto, tensors: dict[str, Tensor]) -> onnx.ModelProto:
    for initializer in model.graph.initializer:
        if initializer.name in tensors:
            values = tensors[initializer.name].detach().numpy()
            initializer.CopyFrom(numpy_helper.from_array(values, initializer.name))
    return model
