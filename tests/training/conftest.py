"""A tiny data set as IDX files, and an untrained network of its size, exported once."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.contract import Colour, Input, Preprocessing
from training.export.onnx_export import export
from training.networks.exported_module import ExportedModule, Scaling
from training.networks.small_resnet import small_resnet
from training.onnx_graph.graph import Graph

torch.set_num_threads(1)  # two threads spend their time waiting for each other on images this small
os.environ["OMP_NUM_THREADS"] = "1"  # also in the processes that tests start

SIDE = 16
LABELS = ("top", "bottom", "belt", "pole")
"""Where the bright stripe lies; all are their own mirror images, as clothes are."""


def idx(values: NDArray[np.uint8]) -> bytes:
    """The bytes of an IDX file."""
    sizes = np.array(values.shape, ">u4").tobytes()
    return bytes((0, 0, 8, values.ndim)) + sizes + values.tobytes()


def striped(count: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Noise with one bright stripe that says the class: images [N, SIDE, SIDE], labels [N]."""
    random = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.uint8) % len(LABELS)
    images = random.integers(0, 120, (count, SIDE, SIDE), dtype=np.uint8)
    stripes = (np.s_[:5, :], np.s_[-5:, :], np.s_[5:-5, :], np.s_[:, 5:-5])
    for image, label in zip(images, labels, strict=True):
        image[stripes[label]] += 120
    return images, labels


def write_dataset(folder: Path, train: int = 400, test: int = 80) -> Path:
    for part, count, seed in (("train", train, 1), ("t10k", test, 2)):
        images, labels = striped(count, seed)
        (folder / f"{part}-images-idx3-ubyte").write_bytes(idx(images))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx(labels))
    return folder


@dataclass(frozen=True)
class Exported:
    """A network and the ONNX file made of it."""

    network: ExportedModule
    path: Path
    target: Input
    preprocessing: Preprocessing


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return write_dataset(folder)


def untrained_module(temperature: float = 1.5, seed: int = 0) -> ExportedModule:
    """Random weights and running statistics, so that folding the norms has something to do."""
    torch.manual_seed(seed)
    network = small_resnet(len(LABELS))
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, std=0.2)
            module.running_mean = torch.randn(module.num_features) * 0.1
            module.running_var = torch.rand(module.num_features) + 0.5
    return ExportedModule(network, Scaling((60.0,), (50.0,)), temperature)


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    target = Input(colour=Colour.L, height=SIDE, width=SIDE)
    path = tmp_path_factory.mktemp("exported") / "model.onnx"
    network = untrained_module()
    export(network, target, path)
    return Exported(network, path, target, Preprocessing(resize="squash"))


@pytest.fixture(scope="session")
def graph(exported: Exported) -> Graph:
    return Graph(exported.path)
