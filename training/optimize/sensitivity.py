"""Selection of the layers of an int8 network that stay in float, on images used neither to train nor to test."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from models.contract import Pixels
from training.evaluation.agreement import Rows, same_class, total_variation
from training.evaluation.evaluate import run_graph
from training.onnx_graph.layers import Layer
from training.optimize.quantization import Quantizer

Log = Callable[[str], None]
_RANKED_ON = 64
_RANKING_LIMIT_S = 240.0
_LARGEST_SHARE = 0.5
"""Largest share of the layers in float; with more, the variant is hardly faster than fp32."""


@dataclass(frozen=True)
class FloatLayerChoice:
    """The layers that stay in float, most sensitive first, and the share of images that then get another class."""

    float_layers: tuple[str, ...]
    disagreement: float


def choose_layers(
    quantizer: Quantizer, images: Pixels, reference: Rows, budget: float, path: Path, log: Log
) -> FloatLayerChoice:
    """Write to `path` the quantized graph with the fewest layers in float whose disagreement is within `budget`.

    reference: fp32's probabilities of `images`; budget: share of the images. 0, 1, 2, 4 ... layers are tried, up to
    half of them; when none is within the budget, the one with the least disagreement is written.
    """
    choice = _try(quantizer, (), images, reference, path)
    log(f"all {len(quantizer.layers)} layers in int8: {choice.disagreement:.2%} of the images get another class")
    if choice.disagreement <= budget:
        return choice
    ranked = rank(quantizer, images[:_RANKED_ON], reference[:_RANKED_ON], path.with_suffix(".one.onnx"), log)
    count = 1
    while choice.disagreement > budget and count <= len(ranked) * _LARGEST_SHARE:
        tried = _try(quantizer, ranked[:count], images, reference, path)
        log(f"{count} in float: {tried.disagreement:.2%}")
        choice, count = min(choice, tried, key=lambda each: each.disagreement), count * 2
    kept = set(choice.float_layers)
    quantizer.quantize([layer for layer in quantizer.layers if layer.name not in kept], path)
    return choice


def rank(quantizer: Quantizer, images: Pixels, reference: Rows, path: Path, log: Log) -> list[Layer]:
    """Return the layers by their error alone in int8, worst first: the mean total variation of the probabilities.

    Layers that the time limit left unmeasured come last. `path` is overwritten each time.
    """
    distances: dict[Layer, float] = {}
    end = monotonic() + _RANKING_LIMIT_S
    for layer in quantizer.layers:
        if monotonic() > end:
            log(f"time is up: {len(distances)} of {len(quantizer.layers)} layers were measured")
            break
        quantizer.quantize([layer], path)
        distances[layer] = float(total_variation(reference, run_graph(path, images)[0]).mean())
        log(f"{layer.name} alone in int8: mean distance {distances[layer]:.4f}")
    return sorted(quantizer.layers, key=lambda layer: -distances.get(layer, -1.0))


def _try(
    quantizer: Quantizer, floating: Sequence[Layer], images: Pixels, reference: Rows, path: Path
) -> FloatLayerChoice:
    quantizer.quantize([layer for layer in quantizer.layers if layer not in floating], path)
    disagreement = 1 - same_class(reference, run_graph(path, images)[0])
    return FloatLayerChoice(tuple(layer.name for layer in floating), disagreement)
