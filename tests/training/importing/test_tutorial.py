"""The exports of the tutorial "Serve the ONNX file you have" that need PyTorch, run as they are written there."""

import shlex
from collections.abc import Callable
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
import torchvision
from PIL import Image
from torch import nn

from models.contract import Precision, preprocess, read_bundle
from snellen.served_file import arguments_for_file
from tests.support.onnx_files import write_labels
from tests.support.tutorial import ROOT, commands, python_code
from training.evaluation.onnx_session import open_session, single_predictor

MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
NETWORKS: dict[str, tuple[str, Callable[[], nn.Module]]] = {
    "PyTorch": ("flowers.pt", lambda: torchvision.models.resnet18(num_classes=3)),
    "timm": ("birds.pth", lambda: timm.create_model("regnetx_002", num_classes=3)),
}
"""Section -> file of the trained weights that its code reads, and the network with random ones."""


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize("name", NETWORKS)
def test_an_export_is_served_as_the_network_answers(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Within 1e-4, with a heat map, for any number of images; nothing but the options of the page is said."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_labels(tmp_path)
    weights, make = NETWORKS[name]
    torch.manual_seed(0)
    torch.save(_decisive(make()).state_dict(), weights)
    namespace: dict[str, Any] = {}
    exec(python_code(name), namespace)
    served = arguments_for_file(shlex.split(commands(name)[0])[2:])
    assert "differ" in capsys.readouterr().out
    (folder,) = Path(served[1]).glob("*/*")
    bundle = read_bundle(folder)
    assert (bundle.manifest.class_map, bundle.manifest.max_batch) == (True, None)
    with Image.open(ROOT / "training/importing/photos/cat.jpg") as photo:
        pixels = preprocess(photo, bundle.manifest.input, bundle.manifest.preprocessing)
    scaled = torch.from_numpy((pixels / 255 - MEAN) / STD).float().permute(2, 0, 1)
    with torch.inference_mode():
        expected = namespace["network"](scaled[None]).softmax(1)[0].numpy()
    row = single_predictor(open_session(bundle.model_path(Precision.FP32)))(pixels)
    np.testing.assert_allclose(row, expected, atol=1e-4)


def test_timm_says_what_the_options_of_the_page_say() -> None:
    """Its own description of the network."""
    data: Any = import_module("timm.data")
    config = data.resolve_model_data_config(timm.create_model("regnetx_002", num_classes=3))
    options = shlex.split(commands("timm")[0])
    given = {option: value for option, value in pairwise(options) if option.startswith("--")}
    assert [float(each) for each in given["--mean"].split(",")] == list(config["mean"])
    assert [float(each) for each in given["--std"].split(",")] == list(config["std"])
    assert float(given["--crop-fraction"]) == config["crop_pct"]
    assert given["--interpolation"] == config["interpolation"]


def _decisive(network: nn.Module) -> nn.Module:
    """Give the last layer larger weights, so that the scores differ as those of a trained network do."""
    last = [module for module in network.modules() if isinstance(module, nn.Linear)][-1]
    with torch.no_grad():
        last.weight.mul_(20)
    return network
