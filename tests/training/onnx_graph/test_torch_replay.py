"""Looking inside an ONNX graph, and repeating it in PyTorch."""

from pathlib import Path

import onnx
import pytest
import torch
from onnx import TensorProto, helper

from models.contract import CLASS_MAP, INPUT, LOGITS, PROBABILITIES, Colour, Input, Precision, read_bundle
from tests.conftest import ROOT
from tests.training.conftest import Exported
from training.errors import ReportError
from training.export.onnx_export import export
from training.importing.fixed_images import fixed_images
from training.networks.exported_module import ExportedModule, Scaling
from training.networks.flip_average import flip_averaged
from training.networks.small_resnet import small_resnet
from training.onnx_graph.graph import Graph
from training.onnx_graph.torch_replay import TorchReplay


def test_a_replay_agrees_with_onnx_runtime(graph: Graph, exported: Exported) -> None:
    """All outputs of the exported network."""
    for tensor in (PROBABILITIES, LOGITS, CLASS_MAP):
        assert TorchReplay(graph, tensor).check(fixed_images(exported.target)) < 1e-4


def test_a_mirrored_image_is_repeated_in_pytorch(tmp_path: Path) -> None:
    """Its slices go backwards, which PyTorch has no word for."""
    torch.manual_seed(0)
    target = Input(colour=Colour.L, height=16, width=16)
    served = ExportedModule(flip_averaged(small_resnet(4)), Scaling((60.0,), (50.0,)))
    export(served, target, tmp_path / "model.onnx")
    assert TorchReplay(Graph(tmp_path / "model.onnx"), LOGITS).check(fixed_images(target)) < 1e-4


@pytest.mark.parametrize("name", ["imagenet/1", "fashion-mnist/3"])
def test_a_replay_of_a_shipped_bundle_agrees(name: str) -> None:
    """Both, through to the logits."""
    bundle = read_bundle(ROOT / "models" / name)
    replay = TorchReplay(Graph(bundle.model_path(Precision.FP32)), LOGITS)
    assert replay.check(fixed_images(bundle.manifest.input, count=3)) < 1e-4


def test_a_replay_that_disagrees_is_refused(graph: Graph, exported: Exported, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the reason."""
    replay = TorchReplay(graph, LOGITS)
    monkeypatch.setattr("training.onnx_graph.torch_replay.PARITY", -1.0)
    with pytest.raises(ReportError, match="is off by"):
        replay.check(fixed_images(exported.target))


def test_an_operator_without_a_gradient_is_named(tmp_path: Path) -> None:
    """Before anything is computed."""
    node = helper.make_node("Hardmax", [INPUT], [LOGITS])
    given, made = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 2]) for name in (INPUT, LOGITS))
    model = helper.make_graph([node], "odd", [given], [made])
    onnx.save_model(helper.make_model(model, opset_imports=[helper.make_opsetid("", 20)]), tmp_path / "odd.onnx")
    with pytest.raises(ReportError, match="Hardmax"):
        TorchReplay(Graph(tmp_path / "odd.onnx"), LOGITS)
