"""A served network -> one self-contained ONNX file that computes the same, or an error."""

import logging
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray

from models.contract import CLASS_MAP, INPUT, LOGITS, PROBABILITIES, Input
from training.errors import ParityError
from training.served import ServedNetwork, fold_batch_norms

PARITY_TOLERANCE = 1e-4
"""Largest absolute difference of any probability between ONNX Runtime and PyTorch."""
OUTPUTS = (PROBABILITIES, LOGITS, CLASS_MAP)
_OPSET = 20


def export(network: ServedNetwork, target: Input, path: Path) -> None:
    """Write `network` to `path`, batch norms folded, and check it there against the network as it was.

    Raises ParityError when the file computes something else.
    """
    example = torch.from_numpy(fixed_images(target, count=2))
    program = _to_onnx(network, example)
    onnx.save_model(_without_traces(program), path)
    onnx.checker.check_model(path, full_check=True)
    check_parity(network, target, path)


def check_parity(network: ServedNetwork, target: Input, path: Path, tolerance: float = PARITY_TOLERANCE) -> float:
    """Largest absolute difference of any probability on fixed images. Raises ParityError when above `tolerance`."""
    images = fixed_images(target)
    with torch.inference_mode():
        expected = network(torch.from_numpy(images))[0].numpy()
    difference = float(np.abs(predict(open_session(path), images) - expected).max())
    if not difference <= tolerance:  # NaN is not below anything
        raise ParityError(
            f"{path.name} differs from PyTorch by {difference:.2g} in a probability, allowed: {tolerance:g}"
        )
    return difference


def fixed_images(target: Input, count: int = 5) -> NDArray[np.uint8]:
    """uint8 [count, height, width, channels]: black, white, then noise from fine to coarse; the same on every call."""
    random = np.random.default_rng(seed=0)
    images = np.zeros((count, *target.shape), np.uint8)
    images[1:2] = 255
    for row, image in enumerate(images[2:]):
        block = 4**row
        coarse = random.integers(0, 256, (target.height // block + 1, target.width // block + 1, image.shape[2]))
        image[:] = np.kron(coarse, np.ones((block, block, 1)))[: target.height, : target.width]
    return images


def open_session(path: Path) -> onnxruntime.InferenceSession:
    """A session on the CPU."""
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def predict(session: onnxruntime.InferenceSession, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Probabilities [N, K] of uint8 [N, H, W, C]."""
    (probabilities,) = session.run([PROBABILITIES], {INPUT: images})
    return np.asarray(probabilities, np.float32)


def _to_onnx(network: ServedNetwork, example: torch.Tensor) -> onnx.ModelProto:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`isinstance\\(treespec, LeafSpec\\)`", FutureWarning)  # PyTorch, of itself
        program = torch.onnx.export(
            fold_batch_norms(network),
            (example,),
            input_names=[INPUT],
            output_names=list(OUTPUTS),
            dynamic_shapes={"image": {0: torch.export.Dim("N")}},
            opset_version=_OPSET,
            dynamo=True,
            verbose=False,
        )
    if program is None:
        raise ParityError("PyTorch exported nothing")
    return program.model_proto


def _without_traces(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph without the stack traces that PyTorch writes into it: they name folders of this machine."""
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
