"""Float16 networks as float32: onnxruntime computes float16 on a CPU with a conversion around every operator."""

from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, numpy_helper

_TYPE_ATTRIBUTES = ("to", "dtype", "output_datatype")
"""Attributes that name the number type of an output."""


def widen(message: Any) -> int:
    """Make every float16 tensor, type and conversion in a protobuf message float32. Returns how many there were.

    message: a model, or any message that a model holds.
    """
    if isinstance(message, TensorProto):
        return _widen_tensor(message)
    count = 0
    if isinstance(message, onnx.TypeProto.Tensor) and message.elem_type == TensorProto.FLOAT16:
        message.elem_type, count = TensorProto.FLOAT, 1
    if isinstance(message, AttributeProto) and message.name in _TYPE_ATTRIBUTES and message.i == TensorProto.FLOAT16:
        message.i, count = TensorProto.FLOAT, 1
    for field, value in message.ListFields():
        if field.message_type is not None:
            count += sum(widen(each) for each in ((value,) if hasattr(value, "ListFields") else value))
    return count


def _widen_tensor(tensor: TensorProto) -> int:
    if tensor.data_type != TensorProto.FLOAT16:
        return 0
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name))
    return 1
