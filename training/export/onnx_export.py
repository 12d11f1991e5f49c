"""Export of a module to one self-contained ONNX file that computes the same, or an error."""

import copy
import logging
import re
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch

from models.contract import CLASS_MAP, INPUT, LOGITS, PROBABILITIES, Dense, Input
from training.errors import ParityError
from training.evaluation.onnx_session import open_session, predict
from training.importing.fixed_images import fixed_images
from training.networks.exported_module import ExportedModule
from training.networks.network import Network, is_fully_convolutional

PARITY_TOLERANCE = 1e-4
"""Largest allowed absolute difference of any probability between ONNX Runtime and PyTorch."""
_OPSET = 20
LIBRARIES = ("onnxscript", "torch")
"""Packages that determine the exported graph, for the provenance of bundles."""


def export(module: ExportedModule, target: Input, path: Path) -> Dense | None:
    """Write `module` to `path` and compare the file with PyTorch. PyTorch folds batch norms into convolutions.

    Returns how the graph classifies larger images, or None; if it does, height and width of its input are free.
    Raises ParityError when the file computes something else.
    """
    dense = dense_of(module.network, target)
    example = torch.from_numpy(fixed_images(target, count=2))
    onnx.save_model(_without_traces(_to_onnx(module, example, free_size=dense is not None)), path)
    onnx.checker.check_model(path, full_check=True)
    check_parity(module, target, path)
    return dense


def dense_of(network: Network, target: Input) -> Dense | None:
    """Return stride and window of a fully convolutional network with a class map, else None."""
    height, width, channels = target.shape
    if not is_fully_convolutional(network, channels, height, width):
        return None
    body = copy.deepcopy(network.body).to("meta")  # shapes alone: 2016x2016 pixels take seconds and a gigabyte
    with torch.inference_mode():
        rows, columns = body(torch.zeros(1, channels, height, width, device="meta")).shape[2:]
        more_rows, more_columns = body(torch.zeros(1, channels, 9 * height, 9 * width, device="meta")).shape[2:]
    stride = round(8 * height / (more_rows - rows)), round(8 * width / (more_columns - columns))
    return Dense(stride=stride, window=(rows, columns))


def check_parity(network: ExportedModule, target: Input, path: Path, tolerance: float = PARITY_TOLERANCE) -> float:
    """Return the largest absolute difference of any probability on fixed images. Raises ParityError above `tolerance`.

    PyTorch computes in float64, so that its own rounding does not count as a difference.
    """
    images = fixed_images(target)
    with torch.inference_mode():
        expected = copy.deepcopy(network).double()(torch.from_numpy(images))[0].numpy()
    difference = float(np.abs(predict(open_session(path), images) - expected).max())
    if not difference <= tolerance:  # also true for NaN
        raise ParityError(
            f"{path.name} differs from PyTorch by {difference:.2g} in a probability, allowed: {tolerance:g}"
        )
    return difference


def _to_onnx(module: ExportedModule, example: torch.Tensor, *, free_size: bool) -> onnx.ModelProto:
    free = dict.fromkeys((0, 1, 2) if free_size else (0,), torch.export.Dim.DYNAMIC)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", "`isinstance\\(treespec, LeafSpec\\)`", FutureWarning
        )  # raised inside PyTorch
        program = torch.onnx.export(
            module,
            (example,),
            input_names=[INPUT],
            output_names=[PROBABILITIES, LOGITS, *([CLASS_MAP] if module.network.has_class_map else [])],
            dynamic_shapes={"image": free},
            opset_version=_OPSET,
            dynamo=True,
            verbose=False,
        )
    if program is None:
        raise ParityError("PyTorch exported nothing")
    return _name_free_sizes(program.model_proto)


def _name_free_sizes(model: onnx.ModelProto) -> onnx.ModelProto:
    """Name the free sizes N, H and W instead of PyTorch's symbols, also in shapes computed from them."""
    sizes = [size.dim_param for size in model.graph.input[0].type.tensor_type.shape.dim]
    names = {symbol: name for symbol, name in zip(sizes, "NHW", strict=False) if symbol}
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        for size in value.type.tensor_type.shape.dim:
            if size.dim_param:
                size.dim_param = re.sub(r"\w+", lambda word: names.get(word[0], word[0]), size.dim_param)
    return model


def _without_traces(model: onnx.ModelProto) -> onnx.ModelProto:
    """Remove the stack traces that PyTorch writes into the graph: they contain paths of this machine."""
    for part in (
        model,
        model.graph,
        *model.graph.node,
        *model.graph.value_info,
        *model.graph.input,
        *model.graph.output,
    ):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    return model
