"""Freeing of the batch of graphs that take one image."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from training.importing.batch_freeing import free_batch

RESHAPE = """<ir_version: 8, opset_import: ["": 17]>
g (float[1, 3, 2, 2] x) => (float[1, 12] y) <int64[{count}] shape = {shape}> {{ y = Reshape {options} (x, shape) }}"""


def freed(shape: list[int], options: str = "") -> list[int] | None:
    text = RESHAPE.format(count=len(shape), shape="{" + ", ".join(map(str, shape)) + "}", options=options)
    graph = onnx.parser.parse_model(text).graph
    changed = free_batch(graph)
    new = numpy_helper.to_array(graph.initializer[-1])
    assert np.issubdtype(new.dtype, np.int64)
    return new.tolist() if changed else None


@pytest.mark.parametrize(
    ("shape", "expected"),
    [([1, 12], [-1, 12]), ([1, -1], [0, -1]), ([4, 3], [-1, 3]), ([0, 12], None), ([-1, 12], None), ([4, -1], None)],
)
def test_the_first_size_of_a_shape_is_freed(shape: list[int], expected: list[int] | None) -> None:
    """By -1 where there is none yet, else as that of the input."""
    assert freed(shape) == expected


def test_a_shape_in_which_0_is_a_size_stays() -> None:
    """With `allowzero`, 0 does not mean the size of the input; without a 0 it makes no difference."""
    assert freed([1, 0], "<allowzero = 1>") is None
    assert freed([1, -1], "<allowzero = 1>") == [0, -1]
    assert freed([1, 12], "<allowzero = 1>") == [-1, 12]
