"""A graph of a bundle, run by the library that computes its variant."""

from pathlib import Path

import numpy as np
import pytest

from models.contract import PROBABILITIES, Precision
from training.evaluation.graph import OnnxGraph, classify_one, library_of, open_graph
from training.evaluation.openvino_graph import OpenVinoGraph, bf16_obstacle

FASHION = Path("models/fashion-mnist/3/model.onnx")


def test_onnx_runtime_runs_what_has_a_file_of_its_own() -> None:
    """Any number of images, and one at a time for golden images."""
    graph = open_graph(FASHION)
    assert isinstance(graph, OnnxGraph)
    assert graph.batch is None
    images = np.random.default_rng(0).integers(0, 256, (3, 28, 28, 1)).astype(np.uint8)
    (rows,) = graph.run([PROBABILITIES], images)
    assert rows.shape == (3, 10)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(classify_one(graph, images[1]), rows[1], atol=1e-5)
    assert library_of(Precision.INT8) == "ONNX Runtime on the CPU"


@pytest.mark.skipif(bf16_obstacle() is not None, reason=str(bf16_obstacle()))
def test_openvino_runs_bf16() -> None:
    """Its name says so, in the sources of scores."""
    assert isinstance(open_graph(FASHION, Precision.BF16), OpenVinoGraph)
    assert library_of(Precision.BF16).startswith("OpenVINO 20")
    assert library_of(Precision.BF16).endswith(" in bfloat16")
