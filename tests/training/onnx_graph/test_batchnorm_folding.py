"""Batch norms folded into the convolutions before them."""

from pathlib import Path

import numpy as np

from tests.training.optimize.scaled_graphs import SCALINGS, exported, operators, run
from training.onnx_graph.batchnorm_folding import fold_batch_norms
from training.onnx_graph.editing import GraphEditor


def test_folded_norms_compute_the_same(tmp_path: Path) -> None:
    """None is left, nor a constant that only it had."""
    mirror = exported(tmp_path, SCALINGS["grey"], mirror=True)
    folded = mirror.model()
    fold_batch_norms(folded)
    assert "BatchNormalization" not in operators(folded)
    assert not [tensor.name for tensor in folded.graph.initializer if "running_" in tensor.name]
    np.testing.assert_allclose(run(folded, mirror.images), run(mirror.model(), mirror.images), atol=1e-5)


def test_norms_that_differ_behind_shared_weights_stay(tmp_path: Path) -> None:
    """One weight cannot take both."""
    model = exported(tmp_path, SCALINGS["grey"], mirror=True).model()
    norm = next(node for node in model.graph.node if node.op_type == "BatchNormalization")
    edit = GraphEditor(model)
    norm.input[1] = edit.put_floats("another_scale", 2 * edit.floats(norm.input[1]))
    before = model.SerializeToString()
    fold_batch_norms(model)
    assert model.SerializeToString() == before
