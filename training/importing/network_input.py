"""The image input of an ONNX file: number type, layout, channels and size."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import onnx
from onnx import TensorProto

from training.data.option_values import LARGEST_SIDE, InputSize
from training.errors import OnnxImportError
from training.importing.guesses import Guess, Report
from training.importing.onnx_file import OnnxFile

_TYPES: dict[int, str] = {TensorProto.FLOAT: "float32", TensorProto.FLOAT16: "float16", TensorProto.UINT8: "uint8"}
_CHANNELS = (1, 3)


class Layout(StrEnum):
    """The order of the axes of the input: channels before or after height and width."""

    NCHW = "nchw"
    NHWC = "nhwc"


@dataclass(frozen=True)
class NetworkInput:
    """The input of one image.

    kind: number type; fixed_batch: the file takes exactly one image at a time; free_size: the file fixes neither height
    nor width.
    """

    name: str
    kind: str
    layout: Layout
    channels: int
    height: int
    width: int
    fixed_batch: bool
    free_size: bool = False


class DescribedInput(NamedTuple):
    """What the file `path` beside the ONNX file says about the input. size: height and width in pixels, or None."""

    path: Path
    layout: Layout
    size: tuple[int, int] | None


def find_input(
    file: OnnxFile,
    report: Report,
    *,
    layout: Layout | None = None,
    size: InputSize | None = None,
    described: DescribedInput | None = None,
) -> NetworkInput:
    """Return the input. layout, size: given by the user, else read from the shape or the metadata.

    described: used for what the shape does not tell.
    Raises OnnxImportError for an input that is no image, and where shape and options leave a question or disagree.
    """
    value = _only_input(file)
    tensor = value.type.tensor_type
    dims = [dim.dim_value if dim.dim_value > 0 else None for dim in tensor.shape.dim]  # some exporters write -1
    seen = f"the input {value.name!r} has the shape {_shape_text(tensor.shape.dim)}"
    if tensor.elem_type not in _TYPES:
        kind = next((name.lower() for name, number in TensorProto.DataType.items() if number == tensor.elem_type), "?")
        raise OnnxImportError(f"the input {value.name!r} is {kind}: an image is float32, float16 or uint8")
    if len(dims) != 4:
        raise OnnxImportError(f"{seen}: an image classifier takes four axes, [N, C, H, W] or [N, H, W, C]")
    if dims[0] not in (None, 1):
        raise OnnxImportError(f"{seen}, exactly {dims[0]} images at a time: export it with a free batch axis")
    chosen, layout_reason = (layout, "--layout") if layout else _layout(dims, seen, described)
    channels = dims[1] if chosen is Layout.NCHW else dims[3]
    if channels not in (*_CHANNELS, None):
        raise OnnxImportError(f"{seen}, with {channels} channels in layout {chosen}: an image has 1 or 3")
    sides = dims[2:] if chosen is Layout.NCHW else dims[1:3]
    height, width, reason = _size(sides, file.size, size, described, seen)
    kind = _TYPES[tensor.elem_type]
    report(Guess("input", f"{value.name}, {kind}", seen))
    report(Guess("layout", chosen.upper(), layout_reason))
    report(Guess("size", f"{width}x{height} pixels", reason))
    free_size = set(sides) == {None}
    return NetworkInput(value.name, kind, chosen, channels or 3, height, width, dims[0] == 1, free_size)


def _only_input(file: OnnxFile) -> onnx.ValueInfoProto:
    weights = {tensor.name for tensor in file.model.graph.initializer}  # up to IR version 3 they are inputs too
    inputs = [value for value in file.model.graph.input if value.name not in weights]
    if len(inputs) != 1:
        names = ", ".join(str(value.name) for value in inputs) or "none"
        raise OnnxImportError(f"the graph has {len(inputs)} inputs ({names}): an image classifier takes one image")
    if not inputs[0].type.HasField("tensor_type"):
        raise OnnxImportError(f"the input {inputs[0].name!r} is no tensor: an image classifier takes one image")
    only: onnx.ValueInfoProto = inputs[0]
    return only


def _layout(dims: Sequence[int | None], seen: str, described: DescribedInput | None) -> tuple[Layout, str]:
    """Return the layout and where it is known from."""
    first, last = dims[1] in _CHANNELS, dims[3] in _CHANNELS
    if first != last:
        return Layout.NCHW if first else Layout.NHWC, "where the 1 or 3 channels stand in the shape"
    if described is not None:
        return described.layout, f"{described.path} of an export of PyTorch"
    raise OnnxImportError(f"{seen}, which does not tell the axis of the channels: say it with --layout nchw or nhwc")


def _size(
    sides: Sequence[int | None],
    in_metadata: int | None,
    wanted: InputSize | None,
    described: DescribedInput | None,
    seen: str,
) -> tuple[int, int, str]:
    """Return height, width and where they are known from."""
    others: tuple[int | None, int | None] = (None, None) if wanted is None else (wanted.height, wanted.width)
    reason = "--size"
    if wanted is None and described is not None and described.size is not None:
        others, reason = described.size, str(described.path)
    elif wanted is None:
        others, reason = (in_metadata, in_metadata), "imgsz in the metadata"
    height, width = (side or other for side, other in zip(sides, others, strict=True))
    if height is None or width is None:
        raise OnnxImportError(f"{seen}, which does not tell the size: give it in pixels with --size")
    if wanted and (width, height) != wanted:
        raise OnnxImportError(f"{seen}, {width}x{height} pixels, but --size is {wanted}: leave out --size")
    if max(height, width) > LARGEST_SIDE:
        raise OnnxImportError(f"{seen}, {width}x{height} pixels: a side has at most {LARGEST_SIDE}")
    return height, width, "the shape of the input" if None not in sides else reason


def _shape_text(dims: Sequence[onnx.TensorShapeProto.Dimension]) -> str:
    return "[" + ", ".join(str(dim.dim_value or dim.dim_param or "?") for dim in dims) + "]"
