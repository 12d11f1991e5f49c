"""A graph of a bundle, run by the library that computes its variant."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models.contract import INPUT, PROBABILITIES, Pixels, Precision, Row
from training.evaluation import openvino_graph
from training.evaluation.onnx_session import fixed_batch, open_session
from training.evaluation.openvino_graph import OpenVinoGraph

ONNX_RUNTIME, OPENVINO = "ONNX Runtime", "OpenVINO"


class Graph(Protocol):
    """What each library offers. batch: how many images the graph takes at a time; None for any number."""

    @property
    def batch(self) -> int | None: ...

    def run(self, names: Sequence[str], images: Pixels) -> list[NDArray[np.float32]]:
        """Return the named outputs of uint8 [N, H, W, C]. Raises what the library raises."""
        ...


class OnnxGraph:
    """A graph in ONNX Runtime, on the CPU."""

    def __init__(self, path: Path, *, quiet: bool = False, threads: int = 0) -> None:
        """Take the arguments of `open_session`."""
        self._session: onnxruntime.InferenceSession = open_session(path, quiet=quiet, threads=threads)
        self.batch = fixed_batch(self._session)

    def run(self, names: Sequence[str], images: Pixels) -> list[NDArray[np.float32]]:
        """Return the named outputs of uint8 [N, H, W, C]."""
        return [np.asarray(found, np.float32) for found in self._session.run([*names], {INPUT: images})]


def open_graph(path: Path, precision: Precision = Precision.FP32, *, quiet: bool = False, threads: int = 0) -> Graph:
    """Open the file of a variant: bf16 in OpenVINO, the others in ONNX Runtime.

    quiet: errors are only raised, not printed as well. threads: for one run; 0 lets the library choose.
    """
    if precision is Precision.BF16:
        return OpenVinoGraph(path, precision, threads)
    return OnnxGraph(path, quiet=quiet, threads=threads)


def obstacle(precision: Precision) -> str | None:
    """Return why `open_graph` cannot run a variant here, as a clause that says what it takes; None where it can."""
    return openvino_graph.bf16_obstacle() if precision is Precision.BF16 else None


def library_of(precision: Precision) -> str:
    """Return what `open_graph` runs a variant with, in words."""
    return f"{openvino_graph.library()} in bfloat16" if precision is Precision.BF16 else f"{ONNX_RUNTIME} on the CPU"


def classify_one(graph: Graph, pixels: Pixels) -> Row:
    """Return the probabilities, float32 [K], of one image, uint8 [H, W, C]."""
    row: Row = graph.run([PROBABILITIES], pixels[None])[0][0]
    return row
