"""Ranges of activations that have the least squared error in uint8, instead of minimum and maximum.

A few large values widen the range, and with it the steps of all others. Cutting them off costs the square of what is
cut; the sum of both errors has a minimum, which a histogram of the values gives.
"""

import json
from itertools import product
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from models.contract import INPUT, Pixels
from training.evaluation.onnx_session import open_session

Histogram = NDArray[np.float64]

_BINS = 4096
_LEVELS = 255
_SHARES = np.linspace(0.2, 1, 33)
"""Shares of minimum and maximum that are tried."""
_BATCH = 8


def narrow_ranges(path: Path, model: onnx.ModelProto, images: Pixels) -> None:
    """Change the file of ranges that onnxruntime has written; constants and outputs of the graph keep theirs.

    model: the graph in float32; images: uint8 [N, H, W, C].
    """
    content = json.loads(path.read_text(encoding="utf-8"))
    ranges = {name: (_value(entry, "lowest"), _value(entry, "highest")) for name, entry in content["data"].items()}
    outputs = {output.name for output in model.graph.output}
    computed = [name for node in model.graph.node for name in node.output if name in ranges and name not in outputs]
    for name, counts in _histograms(model, {name: ranges[name] for name in computed}, images).items():
        for key, bound in zip(("lowest", "highest"), least_error_range(counts, *ranges[name]), strict=True):
            content["data"][name][key]["data"] = [bound]
    path.write_text(json.dumps(content), encoding="utf-8")


def least_error_range(counts: Histogram, lowest: float, highest: float) -> tuple[float, float]:
    """Return the range around zero with the least squared error of values in uint8.

    counts: how many values are in each of equal bins from `lowest` to `highest`.
    """
    if not lowest < highest:
        return lowest, highest
    centres = lowest + (np.arange(len(counts)) + 0.5) * (highest - lowest) / len(counts)
    lows = [share * lowest for share in _SHARES] if lowest < 0 else [0.0]
    highs = [share * highest for share in _SHARES] if highest > 0 else [0.0]
    errors = {(low, high): _error(counts, centres, low, high) for low, high in product(lows, highs)}
    low, high = min(errors, key=errors.__getitem__)
    return float(low), float(high)


def _error(counts: Histogram, values: Histogram, low: float, high: float) -> float:
    step = (high - low) / _LEVELS
    zero = np.round(-low / step)
    rounded = (np.clip(np.round(values / step) + zero, 0, _LEVELS) - zero) * step
    return float(counts @ (rounded - values) ** 2)


def _histograms(model: onnx.ModelProto, ranges: dict[str, tuple[float, float]], images: Pixels) -> dict[str, Histogram]:
    """Return the number of values in each bin, for each tensor of the graph."""
    opened = onnx.ModelProto()
    opened.CopyFrom(model)
    opened.graph.output.extend(onnx.ValueInfoProto(name=name) for name in ranges)
    session = open_session(opened.SerializeToString(), quiet=True)
    counts = {name: np.zeros(_BINS) for name, (low, high) in ranges.items() if low < high}
    for start in range(0, len(images), _BATCH):
        found = session.run([*counts], {INPUT: images[start : start + _BATCH]})
        for (name, histogram), values in zip(counts.items(), found, strict=True):
            low, high = ranges[name]
            places = ((values.ravel() - low) * (_BINS / (high - low))).astype(np.int32)
            np.add(histogram, np.bincount(places.clip(0, _BINS - 1), minlength=_BINS), out=histogram)
    return counts


def _value(entry: dict[str, dict[str, list[float]]], key: str) -> float:
    (value,) = np.ravel(entry[key]["data"])
    return float(value)
