"""Ranges of activations with the least squared error."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from models.contract import INPUT
from training.optimize.activation_ranges import least_error_range, narrow_ranges


def counts(values: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    return np.histogram(values, bins=4096, range=(low, high))[0].astype(np.float64)


def test_few_large_values_are_cut_off() -> None:
    """The steps of all others become smaller; an evenly used range stays."""
    random = np.random.default_rng(0)
    normal = np.append(random.normal(size=1_000_000), [-40.0, 40.0])
    low, high = least_error_range(counts(normal, -40, 40), -40, 40)
    assert -20 < low < -3
    assert 3 < high < 20
    assert least_error_range(counts(random.uniform(0, 6, 100_000), 0, 6), 0, 6) == (0, 6)


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.0), (2.0, 2.0)])
def test_a_constant_keeps_its_range(low: float, high: float) -> None:
    """There is nothing to cut off."""
    assert least_error_range(np.ones(4096), low, high) == (low, high)


def test_the_file_keeps_what_is_not_computed_inside(tmp_path: Path) -> None:
    """Outputs of the graph and constants have the ranges that onnxruntime measured."""
    nodes = [
        helper.make_node("Cast", [INPUT], ["x"], to=TensorProto.FLOAT),
        helper.make_node("Identity", ["x"], ["end"]),
    ]
    image = helper.make_tensor_value_info(INPUT, TensorProto.UINT8, ["n", 8, 8, 1])
    end = helper.make_tensor_value_info("end", TensorProto.FLOAT, None)
    made = helper.make_graph(nodes, "cast", [image], [end])
    entry = {"lowest": {"data": [0.0]}, "highest": {"data": [255.0]}}
    (tmp_path / "ranges.json").write_text(json.dumps({"data": dict.fromkeys(("x", "end", "weight"), entry)}))
    images = np.ones((4, 8, 8, 1), np.uint8)
    images[0, 0, 0] = 255
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    narrow_ranges(tmp_path / "ranges.json", model, images)
    found = json.loads((tmp_path / "ranges.json").read_text())["data"]
    assert found["end"] == found["weight"] == entry
    assert found["x"]["highest"]["data"][0] <= 255
