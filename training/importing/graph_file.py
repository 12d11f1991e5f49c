"""The ONNX file of a bundle: written as one file, or with its weights beside it where they are too large for one."""

from pathlib import Path

import onnx

from training.importing.bundle_writer import MODEL

_LARGEST_FILE = 2**31 - 2**26
"""Limit of the weights in one protobuf file, in bytes, with 64 MiB left for nodes; larger weights go beside it."""
_WEIGHTS = f"{MODEL}.data"


def save_graph(model: onnx.ModelProto, folder: Path) -> Path:
    """Write the graph, whose weights are all in memory, into a bundle's folder. Returns the path of the file."""
    path = folder / MODEL
    if sum(tensor.ByteSize() for tensor in model.graph.initializer) <= _LARGEST_FILE:
        onnx.save(model, path)
        return path
    copy = onnx.ModelProto()  # onnx moves the weights out of the model that it saves
    copy.CopyFrom(model)
    onnx.save(copy, path, save_as_external_data=True, location=_WEIGHTS)
    return path
