"""A large image in one pass, from PyTorch to ONNX Runtime."""

from pathlib import Path

import numpy as np
import torch

from models.contract import (
    CLASS_MAP,
    INPUT,
    LOGITS,
    Colour,
    Dense,
    Input,
    Pixels,
    cell_probabilities,
    grid_size,
)
from training.evaluation.onnx_session import open_session
from training.export.onnx_export import export
from training.networks.exported_module import ExportedModule, Scaling
from training.networks.network import Network
from training.networks.registry import build_network
from training.networks.small_resnet import small_resnet

CLASSES, TEMPERATURE = 4, 1.3
TARGET = Input(colour=Colour.RGB, height=32, width=32)


def served(network: Network) -> ExportedModule:
    """With logits as far apart as those of a trained one."""
    assert isinstance(network.head, torch.nn.Linear)
    torch.nn.init.normal_(network.head.weight, std=0.5)
    return ExportedModule(network, Scaling((120.0,), (60.0,)), TEMPERATURE)


def noise(height: int, width: int) -> Pixels:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def one_pass(path: Path, image: Pixels, dense: Dense) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """[rows, columns, K]."""
    logits, class_map = open_session(path).run([LOGITS, CLASS_MAP], {INPUT: image[None]})
    grid = grid_size(image.shape[0], image.shape[1], TARGET, dense)
    return cell_probabilities(logits[0], class_map[0], grid, dense, TEMPERATURE)


def test_without_padding_it_is_sliding_the_network_over_the_image(tmp_path: Path) -> None:
    """At its stride, within 1e-4 of PyTorch on every part."""
    torch.manual_seed(0)
    network, path, image = served(build_network("three-conv", CLASSES, TARGET)), tmp_path / "model.onnx", noise(57, 70)
    dense = export(network, TARGET, path)
    assert dense == Dense(stride=(4, 4), window=(4, 4))
    cells = one_pass(path, image, dense)
    assert cells.shape == (7, 10, CLASSES)
    parts = [image[4 * r : 4 * r + 32, 4 * c : 4 * c + 32] for r, c in np.ndindex(7, 10)]
    with torch.inference_mode():
        alone = network(torch.from_numpy(np.stack(parts)))[0].numpy()
    np.testing.assert_allclose(cells.reshape(-1, CLASSES), alone, atol=1e-4)
    assert np.ptp(alone, axis=0).max() > 0.02  # the parts do differ


def test_with_padding_an_image_of_the_inputs_size_is_one_cell(tmp_path: Path) -> None:
    """Of larger ones the network sees other borders than of their parts."""
    torch.manual_seed(1)
    network, path, image = served(small_resnet(CLASSES, channels=3)), tmp_path / "model.onnx", noise(32, 32)
    dense = export(network, TARGET, path)
    assert dense == Dense(stride=(4, 4), window=(8, 8))
    with torch.inference_mode():
        expected = network(torch.from_numpy(image[None]))[0].numpy()
    np.testing.assert_allclose(one_pass(path, image, dense)[0], expected, atol=1e-4)
