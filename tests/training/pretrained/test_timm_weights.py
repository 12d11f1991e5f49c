"""What a bundle says about a network of timm."""

import argparse
from pathlib import Path

import pytest
import timm
import torch

from training.errors import TrainingError
from training.importing.guesses import Guess
from training.importing.import_options import ImportOptions
from training.pretrained.timm_weights import published_timm_network, scaling

MODEL = "test_resnet.r160_in1k"


def ignore(_: Guess) -> None:
    """Take no note of what is found out."""


def test_published_weights_are_described_by_timm() -> None:
    """Size, crop, labels and licence; no accuracy is quoted."""
    network = published_timm_network(MODEL, None, ImportOptions(), ignore)
    assert (network.name, network.architecture) == (MODEL, "timm test_resnet")
    assert network.target.shape == (160, 160, 3)
    assert (network.preprocessing.resize, network.preprocessing.crop_fraction) == ("crop", 0.95)
    assert (len(network.labels()), network.licence) == (1000, "apache-2.0 (weights)")
    assert (network.metrics.measured, network.metrics.top1) == (False, None)


def test_a_checkpoint_is_named_with_its_hash(tmp_path: Path) -> None:
    """Its data and licence are not known."""
    torch.save(timm.create_model("test_resnet", num_classes=2).state_dict(), tmp_path / "weights.pth")
    (tmp_path / "labels.txt").write_text("yes\nno\n")
    options = ImportOptions(labels=tmp_path / "labels.txt")
    guesses = list[Guess]()
    network = published_timm_network(MODEL, tmp_path / "weights.pth", options, guesses.append)
    assert network.labels() == ("yes", "no")
    assert network.description == f"2 classes, by {MODEL} of timm."
    assert "weights.pth, sha256 " in network.dataset
    assert network.licence.startswith("of the file not known")
    assert ("labels", "2, yes, no", str(tmp_path / "labels.txt")) in guesses


def test_mean_and_deviation_are_for_pixels_up_to_255() -> None:
    """timm has them for values up to 1."""
    found = scaling("resnet18.a1_in1k")
    assert list(found.mean) == pytest.approx([255 * 0.485, 255 * 0.456, 255 * 0.406])
    assert list(found.std) == pytest.approx([255 * 0.229, 255 * 0.224, 255 * 0.225])


def test_a_checkpoint_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """Before anything is downloaded."""
    with pytest.raises(TrainingError, match="there is no file"):
        published_timm_network(MODEL, tmp_path / "none.pth", ImportOptions(), ignore)


def test_published_weights_keep_their_own_classes(tmp_path: Path) -> None:
    """Other labels would mean a last layer of random numbers."""
    (tmp_path / "labels.txt").write_text("yes\nno\n")
    with pytest.raises(TrainingError, match="has 2 labels, but timm/test_resnet.r160_in1k has 1000 classes"):
        published_timm_network(MODEL, None, ImportOptions(labels=tmp_path / "labels.txt"), ignore)


def test_a_checkpoint_of_a_network_with_the_same_tensors_is_refused(tmp_path: Path) -> None:
    """Those of tf_efficientnet_b0 fit efficientnet_b0, which pads its images in another way."""
    settings = argparse.Namespace(model="tf_efficientnet_b0.ns_jft_in1k")
    torch.save({"state_dict": {"a": torch.ones(1)}, "args": settings}, tmp_path / "a.pth")
    with pytest.raises(TrainingError, match="was trained as tf_efficientnet_b0.*: import timm/tf_efficientnet_b0"):
        published_timm_network("efficientnet_b0", tmp_path / "a.pth", ImportOptions(), ignore)
