"""Graphs in OpenVINO: float32 as ONNX Runtime computes it, and bfloat16 where the processor can."""

from pathlib import Path

import numpy as np
import pytest

from models.contract import LOGITS, PROBABILITIES, Precision, openvino_library, read_bundle
from training.evaluation.evaluate import run_graph
from training.evaluation.graph import open_graph
from training.evaluation.openvino_graph import OpenVinoGraph, bf16_obstacle

FASHION = Path("models/fashion-mnist/3/model.onnx")
needs_openvino = pytest.mark.skipif(not openvino_library.installed(), reason="OpenVINO is not installed")


def pictures(count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(count).integers(0, 256, (count, 28, 28, 1)).astype(np.uint8)


@needs_openvino
def test_float32_has_the_answers_of_onnx_runtime() -> None:
    """In batches of several sizes, in the order of the names that were asked for."""
    graph = OpenVinoGraph(FASHION)
    assert graph.batch is None
    for count in (1, 5):
        logits, probabilities = graph.run([LOGITS, PROBABILITIES], pictures(count))
        expected = run_graph(FASHION, pictures(count))
        np.testing.assert_allclose(probabilities, expected[0], atol=2e-5)
        np.testing.assert_allclose(logits, expected[1], atol=1e-3)


@pytest.mark.skipif(bf16_obstacle() is not None, reason=str(bf16_obstacle()))
def test_bfloat16_is_near_float32_and_not_the_same() -> None:
    """The manifest's tolerance of golden images holds for it; equal answers would be float32."""
    bundle = read_bundle(FASHION.parent)
    graph, reference = (
        open_graph(bundle.model_path(Precision.FP32), each) for each in (Precision.BF16, Precision.FP32)
    )
    half, full = (each.run([PROBABILITIES], pictures(20))[0] for each in (graph, reference))
    assert 1e-5 < np.abs(half - full).max() < 0.2


def test_the_obstacle_is_what_is_missing() -> None:
    """Without the library, how to install it; without instructions, which processors have them."""
    expected = "pip install 'snellen[openvino]'" if not openvino_library.installed() else "no instructions for bfloat16"
    assert expected in (bf16_obstacle() or expected)
