"""Float16 graphs as float32."""

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from training.importing.float16_widening import widen

HALF = """<ir_version: 8, opset_import: ["": 17]>
g (float16[3] x, bool c) => (float16[3] y) <float16[3] w = {1, 2, 3}>
{ v = If (c) <then_branch = a () => (float16[3] p) { p = Add (x, w) },
              else_branch = b () => (float16[3] q) { f = Cast <to = 1> (x) q = Cast <to = 10> (f) }>
  h = Constant <value = float16[1] {14336}> () y = Mul (v, h) }"""


def test_everything_of_float16_becomes_float32() -> None:
    """Inputs, outputs, weights, constants and conversions, those in branches included."""
    model = onnx.parser.parse_model(HALF)
    assert widen(model) == 7
    onnx.checker.check_model(model, full_check=True)
    assert {value.type.tensor_type.elem_type for value in (model.graph.input[0], model.graph.output[0])} == {
        TensorProto.FLOAT
    }
    assert numpy_helper.to_array(model.graph.initializer[0]).dtype == np.float32


def test_other_graphs_stay_as_they_are() -> None:
    """There is nothing to widen."""
    text = HALF.replace("float16", "float").replace("to = 10", "to = 1")
    model = onnx.parser.parse_model(text)
    before = model.SerializeToString()
    assert widen(model) == 0
    assert model.SerializeToString() == before
