"""The numbers that a network wants instead of grey levels from 0 to 255: presets, options, and signs in the graph."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import onnx
from onnx import numpy_helper

from training.errors import OnnxImportError
from training.importing.guesses import Guess, Report
from training.importing.network_input import NetworkInput
from training.importing.onnx_file import OnnxFile

Channels = tuple[float, ...]
"""One number for all channels, or one for each."""


class ChannelOrder(StrEnum):
    """The order of the input's channels; L is grey."""

    RGB = "RGB"
    BGR = "BGR"
    L = "L"


@dataclass(frozen=True)
class Normalization:
    """(pixel - mean) / std, in grey levels of 0 to 255, in the order of the network's channels."""

    order: ChannelOrder
    mean: Channels
    std: Channels


class Preset(StrEnum):
    """Normalizations by name."""

    IMAGENET = "imagenet"
    INCEPTION = "inception"
    UNIT = "unit"
    RAW = "raw"
    CAFFE = "caffe"


PRESETS: dict[Preset, tuple[ChannelOrder, Channels, Channels, str]] = {
    Preset.IMAGENET: (ChannelOrder.RGB, (123.675, 116.28, 103.53), (58.395, 57.12, 57.375), "PyTorch's ImageNet"),
    Preset.INCEPTION: (ChannelOrder.RGB, (127.5,), (127.5,), "-1 to 1"),
    Preset.UNIT: (ChannelOrder.RGB, (0.0,), (255.0,), "0 to 1"),
    Preset.RAW: (ChannelOrder.RGB, (0.0,), (1.0,), "0 to 255"),
    Preset.CAFFE: (ChannelOrder.BGR, (103.939, 116.779, 123.68), (1.0,), "BGR, 0 to 255 less the mean"),
}
"""Preset -> order, mean, std, and what it is."""
_PASSED = {"Transpose", "Cast", "Identity"}
"""Operators before the first layer that change no values."""
_SMALL, _LARGE = 0.02, 50.0
"""A factor below the one or a divisor above the other brings 0 to 255 to about 1; those in use are 1/255 to 1/51."""


def choose_normalization(
    file: OnnxFile,
    network_input: NetworkInput,
    report: Report,
    *,
    preset: Preset | None = None,
    mean: Channels | None = None,
    std: Channels | None = None,
    order: ChannelOrder | None = None,
) -> Normalization:
    """Return the normalization that the options name, or else the one that the file makes likely.

    mean, std: in grey levels where any of them exceeds 1, else as shares of 255. Raises OnnxImportError.
    """
    if (mean is None) != (std is None) or (mean is not None and preset is not None):
        raise OnnxImportError("give --mean and --std, both of them, or --preset")
    if mean is not None and std is not None:
        chosen = _own(mean, std, order or _order(network_input, ChannelOrder.RGB))
        reason = "--mean and --std"
    else:
        preset, reason = (preset, "--preset") if preset else _likely(file, network_input)
        first, means, stds, meaning = PRESETS[preset]
        order = order or _order(network_input, first)
        chosen = Normalization(order, _reordered(means, first, order), _reordered(stds, first, order))
        reason = f"{preset}, {meaning}: {reason}"
    _check(chosen, network_input)
    report(Guess("colour", chosen.order, f"{network_input.channels} channels"))
    report(Guess("scaling", f"(pixel - {_text(chosen.mean)}) / {_text(chosen.std)}", reason))
    return chosen


def _own(mean: Channels, std: Channels, order: ChannelOrder) -> Normalization:
    if not np.isfinite([*mean, *std]).all() or min(std) <= 0:
        raise OnnxImportError("--mean and --std are finite numbers, and each of --std is greater than 0")
    unit = 255.0 if max(*map(abs, mean), *std) <= 1 else 1.0
    return Normalization(order, tuple(each * unit for each in mean), tuple(each * unit for each in std))


def _check(chosen: Normalization, network_input: NetworkInput) -> None:
    channels = network_input.channels
    if (chosen.order is ChannelOrder.L) != (channels == 1):
        raise OnnxImportError(f"the network takes {channels} channels, which is not --colour {chosen.order}")
    for option, values in (("--mean", chosen.mean), ("--std", chosen.std)):
        if len(values) not in (1, channels):
            raise OnnxImportError(f"{option} has {len(values)} numbers: give 1, or one for each of {channels} channels")
    if network_input.kind == "uint8" and (set(chosen.mean), set(chosen.std)) != ({0.0}, {1.0}):
        raise OnnxImportError("the input is uint8, so the graph scales the pixels itself: use --preset raw")


def _order(network_input: NetworkInput, colour: ChannelOrder) -> ChannelOrder:
    return ChannelOrder.L if network_input.channels == 1 else colour


def _reordered(values: Channels, before: ChannelOrder, order: ChannelOrder) -> Channels:
    """Return the numbers of a preset for channels in another order; for grey their mean."""
    if order is ChannelOrder.L:
        return (float(np.mean(values)),)
    return values if order is before else values[::-1]


def _likely(file: OnnxFile, network_input: NetworkInput) -> tuple[Preset, str]:
    if network_input.kind == "uint8":
        return Preset.RAW, "the input is uint8"
    if file.from_ultralytics:
        return Preset.UNIT, "ultralytics exports take this"
    if (found := _scaling_inside(file.model.graph, network_input.name)) is not None:
        return found
    return (
        Preset.IMAGENET,
        "assumed, since an ONNX file does not say it: compare the answers to --check PHOTO, and see --preset",
    )


def _scaling_inside(graph: onnx.GraphProto, name: str) -> tuple[Preset, str] | None:
    """Return what the first arithmetic in the graph tells about the values that it expects."""
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    constants |= {
        node.output[0]: numpy_helper.to_array(node.attribute[0].t)
        for node in graph.node
        if node.op_type == "Constant" and node.attribute[0].name == "value"
    }
    while len(readers := [node for node in graph.node if name in node.input]) == 1 and readers[0].op_type in _PASSED:
        name = readers[0].output[0]
    if len(readers) != 1 or len(readers[0].input) != 2 or readers[0].input[1] not in constants:
        return None
    operator, values = readers[0].op_type, np.abs(constants[readers[0].input[1]].astype(np.float64))
    if not values.size:
        return None
    if (
        (operator == "Mul" and values.max() < _SMALL)
        or (operator == "Div" and values.min() > _LARGE)
        or (operator in ("Sub", "Add") and values.max() > 1)
    ):
        return Preset.RAW, f"the graph scales the pixels itself, its first operator is {operator} by a constant"
    if operator == "Sub":
        return Preset.UNIT, "the graph subtracts a mean below 1 itself"
    return None


def _text(values: Channels) -> str:
    return "[" + ", ".join(f"{value:g}" for value in values) + "]" if len(values) > 1 else f"{values[0]:g}"
