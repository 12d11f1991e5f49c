"""Finds the other files from which an ONNX file takes its weights.

Only files with a hash in the manifest may be served.
"""

import mmap
import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto

from models.contract import Bundle, BundleError, Precision

_MARK = b"location"
"""The key under which a tensor names its file. A file without these bytes has no external tensor."""


def check_external_data(bundle: Bundle, precision: Precision) -> None:
    """Raise BundleError when the graph takes weights from a file that the manifest does not list with a hash."""
    model = bundle.model_path(precision)
    listed = {file.path for file in bundle.manifest.files}
    folder = posixpath.dirname(model.relative_to(bundle.path).as_posix())
    for location in _locations(model):
        if posixpath.normpath(posixpath.join(folder, location)) not in listed:
            raise BundleError(
                f"{model.name} takes weights from {location[:200]!r}, which the manifest does not list; list each such "
                "file under files, with its size and sha256, or save the model as one file"
            )


def _locations(model: Path) -> set[str]:
    try:
        with model.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            if content.find(_MARK) < 0:
                return set()
        graph = onnx.load(model, load_external_data=False)
    except Exception as error:  # an empty file, or what onnx raises, which has no common base
        raise BundleError(f"{model.name} cannot be read: {error}") from error
    external = (tensor for tensor in _tensors(graph) if tensor.data_location == TensorProto.EXTERNAL)
    return {entry.value for tensor in external for entry in tensor.external_data if entry.key == "location"}


def _tensors(message: Any) -> Iterator[TensorProto]:
    """Yield every tensor of a protobuf message: weights, constants, and those of the graphs inside its nodes."""
    if isinstance(message, TensorProto):
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for each in (value,) if hasattr(value, "ListFields") else value:
                yield from _tensors(each)
