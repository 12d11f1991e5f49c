"""The numbers that a network wants instead of grey levels from 0 to 255: presets, options, and signs in the graph."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
from onnx import numpy_helper

from training.errors import OnnxImportError
from training.importing.guesses import Guess, Report
from training.importing.network_input import NetworkInput
from training.importing.onnx_file import OnnxFile
from training.importing.tensor_names import constants

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


class DescribedNormalization(NamedTuple):
    """The normalization that the file `path` beside the ONNX file names, or another source in words."""

    path: Path | str
    normalization: Normalization


class Preset(StrEnum):
    """Normalizations by name."""

    IMAGENET = "imagenet"
    INCEPTION = "inception"
    UNIT = "unit"
    RAW = "raw"
    CAFFE = "caffe"


_PRESETS: dict[Preset, Normalization] = {
    Preset.IMAGENET: Normalization(ChannelOrder.RGB, (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
    Preset.INCEPTION: Normalization(ChannelOrder.RGB, (127.5,), (127.5,)),
    Preset.UNIT: Normalization(ChannelOrder.RGB, (0.0,), (255.0,)),
    Preset.RAW: Normalization(ChannelOrder.RGB, (0.0,), (1.0,)),
    Preset.CAFFE: Normalization(ChannelOrder.BGR, (103.939, 116.779, 123.68), (1.0,)),
}
_MEANINGS: dict[Preset, str] = {
    Preset.IMAGENET: "PyTorch's ImageNet",
    Preset.INCEPTION: "-1 to 1",
    Preset.UNIT: "0 to 1",
    Preset.RAW: "0 to 255",
    Preset.CAFFE: "BGR, 0 to 255 less the mean",
}
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
    described: DescribedNormalization | None = None,
) -> Normalization:
    """Return the normalization that the options name, or else the one that the file makes likely.

    mean, std: in grey levels where any of them exceeds 1, else as shares of 255. described: used where neither options
    nor the graph tell more. Raises OnnxImportError.
    """
    channels = network_input.channels
    named = _named(channels, preset, mean, std, order)
    if named is None:
        found, source, reason = _likely(file, network_input, described)
        named = _in_order(found, channels, order), source, reason
    _check(named[0], channels, named[1])
    if network_input.kind == "uint8" and (set(named[0].mean), set(named[0].std)) != ({0.0}, {1.0}):
        raise OnnxImportError("the input is uint8, so the graph scales the pixels itself: use --preset raw")
    return _reported(named[0], named[2], channels, order, report)


def choose_described_normalization(
    channels: int,
    described: DescribedNormalization,
    report: Report,
    *,
    preset: Preset | None = None,
    mean: Channels | None = None,
    std: Channels | None = None,
    order: ChannelOrder | None = None,
) -> Normalization:
    """Return the normalization that the options name, or else the one that is described.

    channels: number of the network's input channels. mean, std: as for `choose_normalization`. Raises OnnxImportError.
    """
    named = _named(channels, preset, mean, std, order)
    if named is None:
        source = str(described.path)
        named = _in_order(described.normalization, channels, order), source, source
    _check(named[0], channels, named[1])
    return _reported(named[0], named[2], channels, order, report)


def _named(
    channels: int, preset: Preset | None, mean: Channels | None, std: Channels | None, order: ChannelOrder | None
) -> tuple[Normalization, str, str] | None:
    """Return the normalization of the options, the option, and the reason to report; None where no option names one."""
    if (mean is None) != (std is None) or (mean is not None and preset is not None):
        raise OnnxImportError("give --mean and --std, both of them, or --preset")
    if mean is not None and std is not None:
        numbers = _own(mean, std, order or (ChannelOrder.L if channels == 1 else ChannelOrder.RGB))
        return numbers, "--mean and --std", "--mean and --std"
    if preset is not None:
        return _in_order(_PRESETS[preset], channels, order), "--preset", f"{preset}, {_MEANINGS[preset]}: --preset"
    return None


def _reported(
    chosen: Normalization, reason: str, channels: int, order: ChannelOrder | None, report: Report
) -> Normalization:
    report(Guess("colour", chosen.order, "--colour" if order else _channels(channels)))
    report(Guess("scaling", f"(pixel - {_text(chosen.mean)}) / {_text(chosen.std)}", reason))
    return chosen


def _channels(count: int) -> str:
    return "1 channel" if count == 1 else f"{count} channels"


def preset_normalization(preset: Preset, network_input: NetworkInput, order: ChannelOrder | None) -> Normalization:
    """Return the normalization of a preset. order: of the network's channels; None is that of the preset."""
    return _in_order(_PRESETS[preset], network_input.channels, order)


def _own(mean: Channels, std: Channels, order: ChannelOrder) -> Normalization:
    if not np.isfinite([*mean, *std]).all() or min(std) <= 0:
        raise OnnxImportError("--mean and --std are finite numbers, and each of --std is greater than 0")
    unit = 255.0 if max(*map(abs, mean), *std) <= 1 else 1.0
    return Normalization(order, tuple(each * unit for each in mean), tuple(each * unit for each in std))


def _check(chosen: Normalization, channels: int, source: str) -> None:
    """Raise OnnxImportError for numbers that do not fit the channels. source: option or file that they are of."""
    if (chosen.order is ChannelOrder.L) != (channels == 1):
        raise OnnxImportError(f"the network takes {channels} channels, which is not --colour {chosen.order}")
    for what, values in (("mean", chosen.mean), ("std", chosen.std)):
        if len(values) not in (1, channels):
            raise OnnxImportError(
                f"the {what} of {source} has {len(values)} numbers: give 1, or one for each of {channels} channels"
            )


def _in_order(numbers: Normalization, channels: int, order: ChannelOrder | None) -> Normalization:
    """Return the numbers for channels in another order; for grey their mean."""
    order = order or (ChannelOrder.L if channels == 1 else numbers.order)
    if order is ChannelOrder.L:
        return Normalization(order, (float(np.mean(numbers.mean)),), (float(np.mean(numbers.std)),))
    if order is numbers.order:
        return numbers
    return Normalization(order, numbers.mean[::-1], numbers.std[::-1])


def _likely(
    file: OnnxFile, network_input: NetworkInput, described: DescribedNormalization | None
) -> tuple[Normalization, str, str]:
    """Return the normalization, the preset or file that it is of, and the reason for it.

    What the graph does is a fact, and goes before what a file beside it says.
    """
    if network_input.kind == "uint8":
        preset, reason = Preset.RAW, "the input is uint8"
    elif file.from_ultralytics:
        preset, reason = Preset.UNIT, "ultralytics exports take this"
    elif (inside := _scaling_inside(file.model.graph, network_input.name)) is not None:
        preset, reason = inside
    elif described is not None:
        source = str(described.path)
        return described.normalization, source, source
    else:
        preset = Preset.IMAGENET
        reason = "assumed, since an ONNX file does not say it: compare the answers to --check PHOTO, and see --preset"
    return _PRESETS[preset], f"--preset {preset}", f"{preset}, {_MEANINGS[preset]}: {reason}"


def _scaling_inside(graph: onnx.GraphProto, name: str) -> tuple[Preset, str] | None:
    """Return what the first arithmetic in the graph tells about the values that it expects."""
    known = constants(graph)
    while len(readers := [node for node in graph.node if name in node.input]) == 1 and readers[0].op_type in _PASSED:
        name = readers[0].output[0]
    if len(readers) != 1 or len(readers[0].input) != 2 or readers[0].input[1] not in known:
        return None
    operator = readers[0].op_type
    values = np.abs(numpy_helper.to_array(known[readers[0].input[1]]).astype(np.float64))
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
