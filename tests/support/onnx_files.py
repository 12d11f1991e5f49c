"""Small ONNX files as exporters write them: three classes, whose scores depend on where in the picture a colour is."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE = 16
LABELS = ("red", "green", "blue")
_FEATURES = 12
_HEAD = (
    "pooled = AveragePool <kernel_shape = [8, 8], strides = [8, 8]> ({input}) features = Flatten <axis = 1> (pooled)"
)

NCHW_LOGITS = f"""<ir_version: 8, opset_import: ["": 17], producer_name: "pytorch">
g (float[batch, 3, {SIDE}, {SIDE}] input) => (float[batch, 3] output)
{{ {_HEAD.format(input="input")} output = Gemm <transB = 1> (features, w, b) }}"""
NCHW_ANY_SIZE = f"""<ir_version: 8, opset_import: ["": 17]>
g (float[batch, 3, height, width] input) => (float[batch, 3] output)
{{ {_HEAD.format(input="input")} output = Gemm <transB = 1> (features, w, b) }}"""
FEATURE_MAPS = f"""<ir_version: 8, opset_import: ["": 17], producer_name: "pytorch">
g (float[batch, 3, {SIDE}, {SIDE}] input) => (float[batch, 3] output)
{{ convolved = Conv <strides = [2, 2]> (input, kernel) maps = Relu (convolved) pooled = GlobalAveragePool (maps)
   features = Flatten <axis = 1> (pooled) output = Gemm <transB = 1> (features, reader, b) }}"""
"""Four maps of 7x7 positions, then their mean and a linear layer."""
FEATURE_MAPS_NHWC = f"""<ir_version: 8, opset_import: ["": 13], producer_name: "tf2onnx">
g (float[unk__1, {SIDE}, {SIDE}, 3] input_1) => (float[unk__1, 3] dense)
{{ planes = Transpose <perm = [0, 3, 1, 2]> (input_1) convolved = Conv <strides = [2, 2]> (planes, kernel)
   maps = Relu (convolved) last = Transpose <perm = [0, 2, 3, 1]> (maps)
   pooled = ReduceMean <axes = [1, 2], keepdims = 0> (last) product = MatMul (pooled, turned_reader)
   l = Add (product, b) dense = Softmax <axis = -1> (l) }}"""
"""The same with the channels last, as tf2onnx writes Keras' global pooling, and a softmax."""
NHWC_SOFTMAX = f"""<ir_version: 8, opset_import: ["": 13], producer_name: "tf2onnx">
g (float[unk__1, {SIDE}, {SIDE}, 3] input_1) => (float[unk__1, 3] dense)
{{ t = Transpose <perm = [0, 3, 1, 2]> (input_1) {_HEAD.format(input="t")}
   l = Gemm <transB = 1> (features, w, b) dense = Softmax <axis = 1> (l) }}"""
STATIC_BATCH = f"""<ir_version: 8, opset_import: ["": 17], producer_name: "pytorch">
g (float[1, 3, {SIDE}, {SIDE}] input) => (float[1, 3] output) <int64[2] shape = {{1, {_FEATURES}}}>
{{ pooled = AveragePool <kernel_shape = [8, 8], strides = [8, 8]> (input) features = Reshape (pooled, shape)
   output = Gemm <transB = 1> (features, w, b) }}"""
NEVER_FREE = f"""<ir_version: 8, opset_import: ["": 17]>
g (float[1, 3, {SIDE}, {SIDE}] input) => (float[1, 3] output) <float[1, 12] more = {{0,0,0,0,0,0,0,0,0,0,0,0}}>
{{ {_HEAD.format(input="input")} both = Concat <axis = 1> (features, more)
   l = Slice (both, zero, twelve, one) output = Gemm <transB = 1> (l, w, b) }}"""
ULTRALYTICS = f"""<ir_version: 8, opset_import: ["": 17], producer_name: "pytorch",
metadata_props: ["names": "{{0: 'red', 1: 'green', 2: 'blue'}}", "task": "classify", "imgsz": "[{SIDE}, {SIDE}]"]>
g (float[1, 3, {SIDE}, {SIDE}] images) => (float[1, 3] output0) <int64[2] shape = {{1, {_FEATURES}}}>
{{ pooled = AveragePool <kernel_shape = [8, 8], strides = [8, 8]> (images) features = Reshape (pooled, shape)
   l = Gemm <transB = 1> (features, w, b) output0 = Softmax <axis = 1> (l) }}"""
FLOAT16 = f"""<ir_version: 8, opset_import: ["": 17]>
g (float16[batch, 3, {SIDE}, {SIDE}] input) => (float16[batch, 3] output)
{{ {_HEAD.format(input="input")} output = Gemm <transB = 1> (features, w, b) }}"""
TWO_OUTPUTS = f"""<ir_version: 8, opset_import: ["": 17]>
g (float[batch, 3, {SIDE}, {SIDE}] image) => (float[batch, {_FEATURES}] features, float[batch, 3] logits)
{{ {_HEAD.format(input="image")} logits = Gemm <transB = 1> (features, w, b) }}"""
OPSET_11 = f"""<ir_version: 6, opset_import: ["": 11]>
g (float[batch, 3, {SIDE}, {SIDE}] input) => (float[batch, 3] output)
{{ {_HEAD.format(input="input")} l = Gemm <transB = 1> (features, w, b) e = Exp (l)
   s = ReduceSum <axes = [1], keepdims = 1> (e) output = Div (e, s) }}"""
OPSET_7 = f"""<ir_version: 3, opset_import: ["": 7]>
g (float[batch, 3, {SIDE}, {SIDE}] input) => (float[batch, 3] output)
{{ {_HEAD.format(input="input")} l = Gemm <transB = 1> (features, w, b) e = Exp (l)
   s = ReduceSum <axes = [1], keepdims = 1> (e) output = Div (e, s) }}"""
UINT8 = f"""<ir_version: 8, opset_import: ["": 17]>
g (uint8[batch, {SIDE}, {SIDE}, 3] input) => (float[batch, 3, 1, 1] output) <int64[4] shape = {{0, 3, 1, 1}}>
{{ f = Cast <to = 1> (input) t = Transpose <perm = [0, 3, 1, 2]> (f) s = Mul (t, scale) {_HEAD.format(input="s")}
   l = Gemm <transB = 1> (features, w, b) output = Reshape (l, shape) }}"""
SIGMOID = f"""<ir_version: 8, opset_import: ["": 17]>
g (float[batch, 3, {SIDE}, {SIDE}] input) => (float[batch, 3] output)
{{ {_HEAD.format(input="input")} l = Gemm <transB = 1> (features, w, b) output = Sigmoid (l) }}"""
SIGMOID_BY_HAND = f"""<ir_version: 8, opset_import: ["": 17]>
g (float[batch, 3, {SIDE}, {SIDE}] input) => (float[batch, 3] output)
{{ {_HEAD.format(input="input")} l = Gemm <transB = 1> (features, w, b) n = Neg (l) e = Exp (n)
   d = Add (e, unit) output = Reciprocal (d) }}"""
SIGMOID_OPSET_7 = f"""<ir_version: 3, opset_import: ["": 7]>
g (float[batch, 3, {SIDE}, {SIDE}] input) => (float[batch, 3, 1, 1] output)
{{ {_HEAD.format(input="input")} l = Gemm <transB = 1> (features, w, b) n = Neg (l) e = Exp (n)
   d = Add (e, unit) r = Reciprocal (d) output = Unsqueeze <axes = [2, 3]> (r) }}"""
KERAS_BINARY = f"""<ir_version: 8, opset_import: ["": 13], producer_name: "tf2onnx">
g (float[unk__1, {SIDE}, {SIDE}, 3] input_1) => (float[unk__1, 1] dense)
{{ t = Transpose <perm = [0, 3, 1, 2]> (input_1) {_HEAD.format(input="t")}
   l = Gemm <transB = 1> (features, w1, b1) dense = Sigmoid (l) }}"""
BINARY_LOGITS = f"""<ir_version: 8, opset_import: ["": 17], producer_name: "pytorch">
g (float[batch, 3, {SIDE}, {SIDE}] input) => (float[batch, 1] output)
{{ {_HEAD.format(input="input")} output = Gemm <transB = 1> (features, w1, b1) }}"""
HUGGING_FACE = f"""<ir_version: 8, opset_import: ["": 17], producer_name: "pytorch">
g (float[batch_size, num_channels, height, width] pixel_values) => (float[batch_size, 3] logits)
{{ {_HEAD.format(input="pixel_values")} logits = Gemm <transB = 1> (features, w, b) }}"""
DETECTOR = f"""<ir_version: 8, opset_import: ["": 17]>
g (float[batch, 3, {SIDE}, {SIDE}] images) => (float[batch, 3, {SIDE * SIDE}] output0) <int64[3] shape = {{0, 3, -1}}>
{{ output0 = Reshape (images, shape) }}"""
CUSTOM_OPERATOR = f"""<ir_version: 8, opset_import: ["": 17, "my.company": 1]>
g (float[batch, 3, {SIDE}, {SIDE}] images) => (float[batch, 3] output0)
{{ output0 = my.company.Classify (images) }}"""


def write_onnx(path: Path, text: str, *, external: bool = False, weights: Mapping[str, object] | None = None) -> Path:
    """Write the network of an ONNX text with weights for the names `w` and `b` where it reads them.

    external: with all weights in a file beside it. weights: further or other ones.
    """
    model = onnx.parser.parse_model(text)
    graph = model.graph
    random = np.random.default_rng(0)
    kind = np.float16 if graph.input[0].type.tensor_type.elem_type == TensorProto.FLOAT16 else np.float32
    constants: dict[str, object] = {
        "w": random.normal(0, 1, (len(LABELS), _FEATURES)).astype(kind),
        "b": random.normal(0, 1, len(LABELS)).astype(kind),
        "w1": random.normal(0, 1, (1, _FEATURES)).astype(kind),
        "b1": random.normal(0, 1, 1).astype(kind),
        "unit": np.float32(1),
        "reader": (reader := random.normal(0, 4, (len(LABELS), 4)).astype(kind)),
        "turned_reader": reader.T.copy(),
        "kernel": random.normal(0, 0.3, (4, 3, 3, 3)).astype(kind),
        "scale": np.float32(1 / 255),
        "zero": np.array([0], np.int64),
        "one": np.array([1], np.int64),
        "twelve": np.array([_FEATURES], np.int64),
    } | dict(weights or {})
    read = {name for node in graph.node for name in node.input}
    graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items() if name in read
    )
    if model.ir_version <= 3:
        graph.input.extend(
            helper.make_tensor_value_info(each.name, each.data_type, each.dims) for each in graph.initializer
        )
    if external:
        onnx.save(model, path, save_as_external_data=True, location=f"{path.name}.data", size_threshold=0)
    else:
        onnx.save(model, path)
    return path


def write_labels(folder: Path) -> Path:
    """Write `labels.txt` with the three labels."""
    path = folder / "labels.txt"
    path.write_text("\n".join(LABELS), encoding="utf-8")
    return path
