"""What bundles of checkpoints have in common."""

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from models.contract import Colour, Input, Preprocessing, sha256_of
from training.errors import TrainingError
from training.networks.exported_module import Scaling
from training.networks.network import Network
from training.pretrained.checkpoint_file import Checkpoint
from training.pretrained.foreign_weights import exported, file_dataset, refuse_another_network
from training.pretrained.preparation import Preparation


def test_a_file_is_named_with_its_hash(tmp_path: Path) -> None:
    """So that the same bundle can be made again."""
    (tmp_path / "a.pth").write_bytes(b"a")
    assert file_dataset(tmp_path / "a.pth").endswith(f"the file a.pth, sha256 {sha256_of(tmp_path / 'a.pth')}")


@pytest.mark.parametrize(
    ("trained", "refused"), [("b", True), ("a", False), ("unknown", False), (3, False), (None, False)]
)
def test_weights_of_another_network_are_refused(trained: object, refused: bool) -> None:
    """Two networks may have tensors of the same names and shapes, and compute other numbers."""
    checkpoint = Checkpoint(Path("a.pth"), {}, {"model": trained})
    refusal = pytest.raises(TrainingError, match="a.pth was trained as b, not as a: import timm/b")
    with refusal if refused else nullcontext():
        refuse_another_network(checkpoint, "a", "timm/", lambda name: name if name in ("a", "b") else None)


def test_a_network_of_bgr_gets_blue_first() -> None:
    """Though the bundle takes RGB; its scaling is by channel."""
    torch.manual_seed(0)
    network = Network(nn.Conv2d(3, 4, 1), nn.Linear(4, 2), pooled=True).eval()
    target, mean, std = Input(colour=Colour.RGB, height=2, width=2), (30.0, 20.0, 10.0), (3.0, 2.0, 1.0)
    module = exported(network, Preparation(target, Preprocessing(), Scaling(mean, std), reverse=True))
    pixels = np.random.default_rng(0).integers(0, 256, (2, 2, 3), np.uint8)
    turned = torch.from_numpy((pixels[..., ::-1] - np.array(mean[::-1])) / np.array(std[::-1])).float()
    with torch.inference_mode():
        expected = network(turned.permute(2, 0, 1)[None]).softmax(1)[0].numpy()
    np.testing.assert_allclose(module.classify(pixels), expected, atol=1e-5)
