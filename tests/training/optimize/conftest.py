"""A whole bundle of a tiny network that has learnt stripes, and the data it learnt from."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from models.contract import Calibration, Colour, Input, Precision, Preprocessing, Scores, Variant
from tests.training.conftest import LABELS, SIDE, striped, write_dataset
from tests.training.stripes import stripes_manifest
from training.export.onnx_export import export
from training.importing.bundle_writer import MODEL, new_bundle, write_manifest
from training.importing.golden_images import encode, write_golden
from training.importing.provenance import provenance
from training.model_card.model_card import model_card
from training.networks.exported_module import ExportedModule, Scaling
from training.networks.network import Network
from training.optimize.make_variants import VariantOptions
from training.optimize.optimize import Source, optimize
from training.optimize.result import OptimizeResult

TARGET = Input(colour=Colour.L, height=SIDE, width=SIDE)
HOW = Preprocessing(resize="squash")
ALL = (Precision.INT8, Precision.FP16, Precision.PRUNED)


def learnt_network() -> ExportedModule:
    """Two convolutions, a few steps of Adam: enough to tell the stripes apart."""
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(1, 16, 7, padding=3), nn.ReLU(), nn.Conv2d(16, 16, 3, 2, 1), nn.ReLU())
    network = Network(body, nn.Linear(16, len(LABELS)), pooled=True)
    images, labels = striped(128, seed=3)
    pixels = (torch.from_numpy(images)[:, None].float() - 90) / 60
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(60):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(pixels), torch.from_numpy(labels.astype(np.int64)))
        torch.autograd.backward(loss)
        optimizer.step()
    return ExportedModule(network, Scaling((90.0,), (60.0,)), temperature=1.2)


@pytest.fixture(scope="package")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("stripes"))


@pytest.fixture(scope="package")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a bundle; copy it before changing it."""
    repository = tmp_path_factory.mktemp("models")
    network = learnt_network()
    with new_bundle(repository, "stripes", 1) as folder:
        dense = export(network, TARGET, folder / MODEL)
        pictures = [encode(Image.fromarray(image), f"{i}.png", "PNG") for i, image in enumerate(striped(4, seed=5)[0])]
        golden = write_golden(folder, pictures, network.classify, TARGET, HOW)
        facts = {
            "dense": dense,
            "variants": (Variant(precision=Precision.FP32, path=MODEL, metrics=Scores(measured=True, source="none")),),
            "calibration": Calibration(temperature=1.2, fitted_on=None, note="none"),
            "provenance": provenance(dataset="stripes", licence="CC0", notes=(), seed=0),
        }
        manifest = stripes_manifest(folder, golden, TARGET, HOW, **facts)
        write_manifest(folder, manifest, model_card(manifest, np.diag(np.arange(1, 5))))
    return repository / "stripes" / "1"


@pytest.fixture(scope="package")
def optimized(original: Path, source: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, OptimizeResult]:
    """All three variants, with a budget that they keep."""
    folder = tmp_path_factory.mktemp("optimized") / "stripes" / "1"
    shutil.copytree(original, folder)
    options = VariantOptions(budget=20, sparsity=0.5, epochs=3)
    return folder, optimize(folder, ALL, options, Source(str(source), folder / "no-run"), log=lambda _: None)
