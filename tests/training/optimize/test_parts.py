"""The parts of `snellen optimize` on their own."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from models.contract import LARGEST_TOLERANCE, Agreement, Metrics, Precision, Speed, read_bundle
from tests.training.conftest import SIDE
from training.evaluation.evaluate import run_graph
from training.onnx_graph.layers import find_layers
from training.optimize.accuracy_budget import refusal
from training.optimize.agreement import compare, total_variation
from training.optimize.quantization import Quantizer
from training.optimize.result import Measured, mark_pareto
from training.optimize.sensitivity import choose_layers, rank

SPEED = Speed(machine="none", threads=1, batch_size=1, images_per_s=100, ratio=1)
AGREEMENT = Agreement(source="none", images=10, top1=0.99, mean_distance=0, max_distance=0)
FP32 = Measured(Precision.FP32, Metrics(measured=True, source="none", top1=0.95), None, SPEED, 100, 90)


def variant(top1: float | None = 0.95, *, agreement: float = 0.99, ratio: float = 1, size: int = 100) -> Measured:
    return Measured(
        Precision.INT8,
        Metrics(measured=True, source="none", top1=top1),
        AGREEMENT.model_copy(update={"top1": agreement}),
        SPEED.model_copy(update={"ratio": ratio}),
        size,
        size,
    )


@pytest.mark.parametrize(("top1", "admitted"), [(0.96, True), (0.945, True), (0.9449, False), (float("nan"), False)])
def test_the_budget_is_in_points_of_top1(top1: float, admitted: bool) -> None:
    """Half a point below fp32 is inside, a hair more is not; better is never refused."""
    measured = replace(variant(), metrics=Metrics.model_construct(measured=True, source="none", top1=top1))
    assert (refusal(measured, FP32, budget=0.5) is None) == admitted


@pytest.mark.parametrize(("agreement", "admitted"), [(0.995, True), (0.99, False)])
def test_without_labels_the_budget_bounds_disagreement(agreement: float, admitted: bool) -> None:
    """Accuracy cannot fall by more than the share of images that get another class."""
    reference = replace(FP32, metrics=Metrics(measured=True, source="none"))
    assert (refusal(variant(None, agreement=agreement), reference, budget=0.5) is None) == admitted


@pytest.mark.parametrize("difference", [LARGEST_TOLERANCE + 0.01, float("nan")])
def test_golden_images_bound_what_any_budget_admits(difference: float) -> None:
    """However large the budget is."""
    reason = refusal(replace(variant(), golden_difference=difference), FP32, budget=100)
    assert reason is not None
    assert "golden image" in reason


def test_the_pareto_front_leaves_out_what_is_beaten_in_everything() -> None:
    """Slower and larger at the same accuracy is out; faster but less accurate stays."""
    rows = mark_pareto([FP32, variant(0.94, ratio=3, size=30), variant(0.95, ratio=0.9, size=120)])
    assert [row.pareto for row in rows] == [True, True, False]


def test_distances_are_those_of_probabilities() -> None:
    """Total variation: 0 for the same row, 1 for rows without a common class."""
    first = np.array([[1, 0, 0], [0.5, 0.5, 0]], np.float32)
    second = np.array([[0, 1, 0], [0.5, 0.25, 0.25]], np.float32)
    np.testing.assert_allclose(total_variation(first, second), [1, 0.25])
    assert compare(first, second, "none").top1 == 0.5


def test_layers_leave_out_the_head(original: Path) -> None:
    """A convolution and its activation are one; what makes an output is none of them."""
    model = onnx.load(original / "model.onnx")
    assert [len(layer.nodes) for layer in find_layers(model)] == [2, 2]
    assert not any("head" in layer.name for layer in find_layers(model))


def test_sensitive_layers_stay_in_float(original: Path, tmp_path: Path) -> None:
    """With no room for error the worst layer is kept, and the kept one is the worst by rank."""
    images = np.random.default_rng(7).integers(0, 256, (64, SIDE, SIDE, 1), dtype=np.uint8)
    model = read_bundle(original).model_path(Precision.FP32)
    reference = run_graph(model, images)[0]
    quantizer = Quantizer(model, np.full_like(images[:4], 90), tmp_path)  # ranges of one grey alone: int8 must fail
    said: list[str] = []
    choice = choose_layers(quantizer, images, reference, 0.0, tmp_path / "chosen.onnx", said.append)
    ranked = rank(quantizer, images, reference, tmp_path / "one.onnx", said.append)
    assert choice.float_layers == (ranked[0].name,)
    assert said[0].startswith("all 2 layers in int8")
