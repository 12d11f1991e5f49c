"""ONNX operators as PyTorch functions, compared with ONNX Runtime."""

from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper

from training.onnx_graph.torch_operators import OPERATORS

IMAGE, VECTOR = (2, 4, 6, 5), (3, 4)
CASES: list[tuple[str, dict[str, Any], list[tuple[int, ...]]]] = [
    ("Conv", {"pads": [1, 0, 2, 1], "strides": [2, 1], "group": 2}, [IMAGE, (6, 2, 3, 3), (6,)]),
    ("MaxPool", {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 1, 1], "ceil_mode": 1}, [IMAGE]),
    ("AveragePool", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1}, [IMAGE]),
    ("GlobalAveragePool", {}, [IMAGE]),
    ("Gemm", {"transB": 1, "alpha": 0.5, "beta": 2.0}, [VECTOR, (5, 4), (5,)]),
    ("Gemm", {"transA": 1}, [(4, 3), (4, 5)]),
    ("LayerNormalization", {"axis": -1, "epsilon": 1e-3}, [VECTOR, (4,), (4,)]),
    ("LRN", {"size": 3, "alpha": 0.5, "beta": 0.6, "bias": 1.5}, [IMAGE]),
    ("HardSigmoid", {"alpha": 0.3}, [VECTOR]),
    ("HardSwish", {}, [VECTOR]),
    ("LeakyRelu", {"alpha": 0.2}, [VECTOR]),
    ("Elu", {"alpha": 0.7}, [VECTOR]),
    ("Gelu", {"approximate": "tanh"}, [VECTOR]),
    ("Flatten", {"axis": 2}, [IMAGE]),
    ("Concat", {"axis": 1}, [VECTOR, VECTOR]),
    ("Softmax", {"axis": 0}, [VECTOR]),
    ("Transpose", {"perm": [0, 2, 3, 1]}, [IMAGE]),
]


@pytest.mark.parametrize(("name", "attributes", "shapes"), CASES, ids=[case[0] for case in CASES])
def test_an_operator_computes_what_onnx_runtime_computes(
    name: str, attributes: dict[str, Any], shapes: list[tuple[int, ...]]
) -> None:
    """With attributes that differ from the defaults."""
    random = np.random.default_rng(0)
    values = [random.normal(size=shape).astype(np.float32) for shape in shapes]
    names = [f"x{number}" for number in range(len(values))]
    given = [helper.make_tensor_value_info(n, TensorProto.FLOAT, v.shape) for n, v in zip(names, values, strict=True)]
    made = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    node = helper.make_node(name, names, ["y"], **attributes)
    model = helper.make_model(
        helper.make_graph([node], "g", given, [made]), opset_imports=[helper.make_opsetid("", 20)], ir_version=9
    )
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (expected,) = session.run(None, dict(zip(names, values, strict=True)))
    read = {each.name: helper.get_attribute_value(each) for each in node.attribute}
    found = OPERATORS[name](read, *map(torch.from_numpy, values))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4, atol=1e-5)


def test_a_slice_may_run_backwards() -> None:
    """From the end to the start in steps of two, as Python's slices do."""
    x = torch.arange(6).reshape(1, 6)
    bounds = [torch.tensor([value]) for value in (-1, -7, 1, -2)]
    assert OPERATORS["Slice"]({}, x, *bounds).tolist() == [[5, 3, 1]]


def test_a_reshape_keeps_the_sizes_that_are_zero() -> None:
    """And computes the one that is -1."""
    assert OPERATORS["Reshape"]({}, torch.zeros(2, 3, 4), torch.tensor([0, -1])).shape == (2, 12)
