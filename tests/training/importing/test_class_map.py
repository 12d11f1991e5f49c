"""Class maps of imported networks."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from models.contract import CLASS_MAP, INPUT, LOGITS, PROBABILITIES
from training.evaluation.onnx_session import open_session
from training.importing.class_map import NoClassMapError, add_class_map, check_class_map

SIDE, FEATURES, CLASSES = 8, 5, 3
GRAPH = f"""<ir_version: 8, opset_import: ["": {{opset}}]>
g (uint8[N, {SIDE}, {SIDE}, 3] {INPUT}) => (float[N, {CLASSES}] {PROBABILITIES}, float[N, {CLASSES}] {LOGITS})
{{{{ pixels = Cast <to = 1> ({INPUT}) planes = Transpose <perm = [0, 3, 1, 2]> (pixels)
   x = Conv <strides = [2, 2]> (planes, kernel) nhwc = Transpose <perm = [0, 2, 3, 1]> (x)
   {{nodes}} {PROBABILITIES} = Softmax <axis = 1> ({LOGITS}) }}}}"""
ENDS = {
    "gemm": (17, f"p = GlobalAveragePool (x) f = Flatten (p) {LOGITS} = Gemm <transB = 1> (f, w, b)"),
    "gemm, not turned": (17, f"p = GlobalAveragePool (x) f = Flatten (p) {LOGITS} = Gemm (f, v, b)"),
    "matmul and add": (
        17,
        f"p = ReduceMean <axes = [2, 3], keepdims = 0> (x) d = Dropout (p) m = MatMul (d, v) {LOGITS} = Add (b, m)",
    ),
    "axes as input": (18, f"p = ReduceMean (x, axes) f = Reshape (p, shape) {LOGITS} = Gemm <transB = 1> (f, w)"),
    "negative axes": (13, f"p = ReduceMean <axes = [-1, -2], keepdims = 0> (x) {LOGITS} = MatMul (p, v)"),
    "channels last": (
        13,
        f"p = ReduceMean <axes = [1, 2], keepdims = 0> (nhwc) m = MatMul (p, v) {LOGITS} = Add (m, b)",
    ),
    "channels last, turned": (
        17,
        f"p = ReduceMean <axes = [1, 2], keepdims = 0> (nhwc) {LOGITS} = Gemm <transB = 1> (p, w, b)",
    ),
    "factors at last": (
        17,
        f"p = GlobalAveragePool (x) f = Flatten (p) o = Gemm <transB = 1> (f, one, single) {LOGITS} = Mul (o, factors)",
    ),
    "convolution": (17, f"p = GlobalAveragePool (x) c = Conv (p, head, b) {LOGITS} = Flatten (c)"),
    "mean of scores": (17, f"c = Conv (x, head, b) p = GlobalAveragePool (c) {LOGITS} = Flatten (p)"),
    "average pool": (17, f"p = AveragePool <kernel_shape = [3, 3]> (x) f = Flatten (p) {LOGITS} = Gemm (f, v, b)"),
}
OTHERS = {
    "an activation between": (
        17,
        f"p = GlobalAveragePool (x) f = Flatten (p) r = Relu (f) {LOGITS} = Gemm (r, v, b)",
        "the input of the last linear layer comes from Relu, not from a mean",
    ),
    "no linear layer": (17, f"f = Flatten (x) s = MatMul (f, long) {LOGITS} = Relu (s)", "the scores come from Relu"),
    "a mean over one axis": (
        13,
        f"p = ReduceMean <axes = [3]> (x) f = Flatten (p) {LOGITS} = MatMul (f, rows)",
        "axes",
    ),
    "a part of the mean": (
        17,
        f"p = AveragePool <kernel_shape = [2, 2]> (x) f = Flatten (p) {LOGITS} = MatMul (f, many)",
        "does not fit",
    ),
    "factors": (17, f"p = GlobalAveragePool (x) f = Flatten (p) {LOGITS} = Gemm <alpha = 2.0> (f, v, b)", "factors"),
}


def write(path: Path, opset: int, nodes: str) -> onnx.ModelProto:
    """A graph with the inputs and outputs of a bundle, whose features have 3x3 positions."""
    model = onnx.parser.parse_model(GRAPH.format(opset=opset, nodes=nodes))
    random = np.random.default_rng(0)
    w = random.normal(0, 1, (CLASSES, FEATURES)).astype(np.float32)
    constants: dict[str, NDArray[np.generic]] = {
        "kernel": random.normal(0, 0.01, (FEATURES, 3, 3, 3)).astype(np.float32),
        "w": w,
        "v": w.T.copy(),
        "b": random.normal(0, 1, CLASSES).astype(np.float32),
        "one": w[:1],
        "single": np.ones(1, np.float32),
        "factors": np.array([[0, 1, -0.5]], np.float32),
        "head": w[:, :, None, None],
        "axes": np.array([2, 3], np.int64),
        "shape": np.array([0, -1], np.int64),
        "long": random.normal(0, 1, (9 * FEATURES, CLASSES)).astype(np.float32),
        "rows": random.normal(0, 1, (3 * FEATURES, CLASSES)).astype(np.float32),
        "many": random.normal(0, 1, (4 * FEATURES, CLASSES)).astype(np.float32),
    }
    read = {name for node in model.graph.node for name in node.input}
    model.graph.initializer.extend(
        numpy_helper.from_array(value, name) for name, value in constants.items() if name in read
    )
    onnx.save(model, path)
    return model


def pictures() -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 256, (3, SIDE, SIDE, 3), np.uint8)


@pytest.mark.parametrize(("opset", "nodes"), ENDS.values(), ids=ENDS)
def test_the_mean_of_the_map_is_the_logits(tmp_path: Path, opset: int, nodes: str) -> None:
    """In NCHW whatever the network's order of axes, and the other outputs are as before."""
    path = tmp_path / "model.onnx"
    before = write(path, opset, nodes)
    expected = open_session(path).run([PROBABILITIES, LOGITS], {INPUT: pictures()})
    changed = add_class_map(before, CLASSES)
    onnx.checker.check_model(changed, full_check=True)
    onnx.save(changed, path)
    assert check_class_map(open_session(path), pictures()) == (3, 3)
    probabilities, logits, class_map = open_session(path).run([PROBABILITIES, LOGITS, CLASS_MAP], {INPUT: pictures()})
    np.testing.assert_allclose(probabilities, expected[0], atol=1e-6)
    np.testing.assert_allclose(logits, expected[1], rtol=1e-5)
    assert class_map.shape == (3, CLASSES, 3, 3)
    np.testing.assert_allclose(class_map.mean((2, 3)), logits, atol=1e-4)


@pytest.mark.parametrize(("opset", "nodes", "reason"), OTHERS.values(), ids=OTHERS)
def test_other_networks_have_none(tmp_path: Path, opset: int, nodes: str, reason: str) -> None:
    """The reason is given, by the graph or by a trial."""
    path = tmp_path / "model.onnx"
    model = write(path, opset, nodes)
    with pytest.raises(NoClassMapError, match=reason):
        onnx.save(add_class_map(model, CLASSES), path)
        check_class_map(open_session(path), pictures())


def test_a_map_of_one_position_is_none(tmp_path: Path) -> None:
    """It would be the whole picture."""
    path = tmp_path / "model.onnx"
    small = write(
        path, 17, f"a = GlobalAveragePool (x) p = GlobalAveragePool (a) f = Flatten (p) {LOGITS} = Gemm (f, v, b)"
    )
    onnx.save(add_class_map(small, CLASSES), path)
    with pytest.raises(NoClassMapError, match="one position only"):
        check_class_map(open_session(path), pictures())
