"""The pruned variant."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from models.contract import Precision, read_bundle
from tests.training.conftest import striped
from tests.training.optimize.conftest import TARGET
from training.errors import SkippedVariant
from training.onnx_graph.layers import find_layers
from training.optimize.pruning import PrunableGraph, write_pruned


@pytest.fixture
def model(original: Path) -> Path:
    return read_bundle(original).model_path(Precision.FP32)


def weights(path: Path) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer}


def test_the_graph_computes_its_logits_until_it_is_pruned(model: Path) -> None:
    """Then it computes others, and the zeros are the share that was asked for."""
    network, images = PrunableGraph(model, TARGET), torch.from_numpy(striped(4, seed=0)[0][..., None])
    before = network(images)
    torch.testing.assert_close(PrunableGraph(model, TARGET)(images), before)
    network.prune(0.6)
    assert not torch.equal(network(images), before)
    assert network.finish() == pytest.approx(0.6, abs=0.001)


def test_zeros_stay_zero_while_the_other_weights_learn(model: Path, tmp_path: Path) -> None:
    """The head, which the class map shares, is not touched."""
    images = striped(128, seed=1)[0][..., None]
    zeros = write_pruned(model, tmp_path / "pruned.onnx", images, TARGET, 0.5, 1, lambda _: None)
    before, after = weights(model), weights(tmp_path / "pruned.onnx")
    convolutions = [str(layer.weight) for layer in find_layers(onnx.load(model))]
    counted = sum(int((after[name] == 0).sum()) for name in convolutions) / sum(after[n].size for n in convolutions)
    assert zeros == pytest.approx(0.5, abs=0.01)
    assert counted == pytest.approx(zeros, abs=1e-6)
    assert all(not np.array_equal(after[name], before[name]) for name in convolutions)
    head = next(name for name in before if name.endswith("head.weight"))
    np.testing.assert_array_equal(after[head], before[head])


def test_a_graph_that_pytorch_cannot_repeat_is_skipped(model: Path, tmp_path: Path) -> None:
    """The reason names the operator."""
    odd = onnx.load(model)
    next(node for node in odd.graph.node if node.op_type == "Relu").op_type = "Softsign"
    onnx.save(odd, tmp_path / "odd.onnx")
    with pytest.raises(SkippedVariant, match=r"cannot be fine-tuned: .*Softsign"):
        PrunableGraph(tmp_path / "odd.onnx", TARGET)
