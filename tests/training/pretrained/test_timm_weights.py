"""What a bundle says about a network of timm."""

from pathlib import Path

import pytest

from training.errors import TrainingError
from training.pretrained.timm_weights import published_timm_network, scaling

MODEL = "test_resnet.r160_in1k"


def test_published_weights_are_described_by_timm() -> None:
    """Size, crop, labels and licence; no accuracy is quoted."""
    network = published_timm_network(MODEL, None, None)
    assert (network.name, network.architecture) == (MODEL, "timm test_resnet")
    assert network.target.shape == (160, 160, 3)
    assert (network.preprocessing.resize, network.preprocessing.crop_fraction) == ("crop", 0.95)
    assert (len(network.labels()), network.licence) == (1000, "apache-2.0 (weights)")
    assert (network.metrics.measured, network.metrics.top1) == (False, None)


def test_a_checkpoint_is_named_with_its_hash(tmp_path: Path) -> None:
    """Its data and licence are not known."""
    (tmp_path / "weights.pth").write_bytes(b"")
    (tmp_path / "labels.txt").write_text("yes\nno\n")
    network = published_timm_network(MODEL, tmp_path / "weights.pth", tmp_path / "labels.txt")
    assert network.labels() == ("yes", "no")
    assert network.description == f"2 classes, by {MODEL} of timm."
    assert "weights.pth, sha256 e3b0c44298fc" in network.dataset
    assert network.licence.startswith("of the file not known")
    assert "Labels: the file labels.txt." in network.notes


def test_mean_and_deviation_are_for_pixels_up_to_255() -> None:
    """timm has them for values up to 1."""
    found = scaling("resnet18.a1_in1k")
    assert list(found.mean) == pytest.approx([255 * 0.485, 255 * 0.456, 255 * 0.406])
    assert list(found.std) == pytest.approx([255 * 0.229, 255 * 0.224, 255 * 0.225])


def test_a_checkpoint_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """Before anything is downloaded."""
    with pytest.raises(TrainingError, match="there is no file"):
        published_timm_network(MODEL, tmp_path / "none.pth", None)
