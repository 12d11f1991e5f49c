"""Layers of an int8 network that stay in float."""

from pathlib import Path

import numpy as np

from models.contract import Precision, read_bundle
from tests.training.conftest import SIDE
from training.evaluation.evaluate import run_graph
from training.optimize.quantization import Quantizer
from training.optimize.sensitivity import choose_layers, rank


def test_sensitive_layers_stay_in_float(original: Path, tmp_path: Path) -> None:
    """With no room for error the worst layer is kept, and the kept one is the worst by rank."""
    images = np.random.default_rng(7).integers(0, 256, (64, SIDE, SIDE, 1), dtype=np.uint8)
    model = read_bundle(original).model_path(Precision.FP32)
    reference = run_graph(model, images)[0]
    quantizer = Quantizer(
        model, np.full_like(images[:4], 90), tmp_path, print
    )  # ranges of one grey alone: int8 must fail
    said: list[str] = []
    choice = choose_layers(quantizer, images, reference, 0.0, tmp_path / "chosen.onnx", said.append)
    ranked = rank(quantizer, images, reference, tmp_path / "one.onnx", said.append)
    assert choice.float_layers == (ranked[0].name,)
    assert said[0].startswith("all 2 layers in int8")
