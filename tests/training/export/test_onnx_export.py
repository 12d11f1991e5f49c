"""From PyTorch to ONNX."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from models.contract import CLASS_MAP, INPUT, LOGITS, PROBABILITIES
from tests.training.conftest import SIDE, Exported, untrained_module
from training.errors import ParityError
from training.evaluation.onnx_session import open_session
from training.export.onnx_export import PARITY_TOLERANCE, check_parity
from training.importing.fixed_images import fixed_images


def test_the_file_computes_what_pytorch_computes(exported: Exported) -> None:
    """Within 1e-4 on fixed images, for whose norms are folded into convolutions."""
    assert check_parity(exported.network, exported.target, exported.path) < PARITY_TOLERANCE


def test_another_network_fails_the_parity_check(exported: Exported) -> None:
    """The check can fail: other weights are noticed."""
    with pytest.raises(ParityError, match=r"model\.onnx differs from PyTorch"):
        check_parity(untrained_module(seed=1), exported.target, exported.path)


def test_another_temperature_fails_the_parity_check(exported: Exported) -> None:
    """Probabilities are compared after calibration."""
    with pytest.raises(ParityError):
        check_parity(untrained_module(temperature=1.4), exported.target, exported.path)


def test_the_class_map_averages_to_the_logits(exported: Exported) -> None:
    """Mean over height and width, plus the bias of the last layer."""
    images = fixed_images(exported.target)
    class_map, logits = open_session(exported.path).run([CLASS_MAP, LOGITS], {INPUT: images})
    head = exported.network.network.head
    assert isinstance(head, torch.nn.Linear)
    bias = head.bias.detach().numpy()
    np.testing.assert_allclose(class_map.mean((2, 3)) + bias, logits, atol=1e-4)


def test_probabilities_do_not_pay_for_the_class_map(exported: Exported) -> None:
    """No node on the way to the probabilities reads the class map or what leads to it alone."""
    graph = onnx.load(exported.path).graph
    makers = {output: node for node in graph.node for output in node.output}
    waiting, seen = [PROBABILITIES], set()
    while waiting:
        name = waiting.pop()
        seen.add(name)
        waiting += [value for value in (makers[name].input if name in makers else ()) if value not in seen]
    assert LOGITS in seen
    assert CLASS_MAP not in seen


def test_the_graph_takes_any_number_of_uint8_images(exported: Exported) -> None:
    """One, or seven: each image gets the row it gets alone."""
    session = open_session(exported.path)
    images = np.random.default_rng(0).integers(0, 256, (7, SIDE, SIDE, 1), dtype=np.uint8)
    (together,) = session.run([PROBABILITIES], {INPUT: images})
    (alone,) = session.run([PROBABILITIES], {INPUT: images[3:4]})
    np.testing.assert_allclose(together[3:4], alone, atol=1e-6)
    np.testing.assert_allclose(together.sum(1), 1, atol=1e-5)


def test_the_file_is_whole_folded_and_names_no_folder(exported: Exported) -> None:
    """No external data, no batch norm, no stack traces of the machine that made it."""
    model = onnx.load(exported.path, load_external_data=False)
    assert not any(tensor.external_data for tensor in model.graph.initializer)
    assert "BatchNormalization" not in {node.op_type for node in model.graph.node}
    assert str(Path(__file__).parents[3]).encode() not in exported.path.read_bytes()
    assert b"stack_trace" not in exported.path.read_bytes()
