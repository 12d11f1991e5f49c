"""`snellen import` of networks that others trained, from checkpoints on disk."""

import json
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from typer.testing import CliRunner, Result

from models.contract import CLASS_MAP, INPUT, LOGITS, Bundle, read_bundle
from snellen.__main__ import app
from training.evaluation.onnx_session import open_session
from training.importing.fixed_images import fixed_images
from training.importing.golden_images import check_golden

RESNET = "timm/test_resnet.r160_in1k"


def snellen_import(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["import", *map(str, arguments)], env={"COLUMNS": "200"})


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of timm's test ResNet, 1000 classes, with weights and statistics that nothing else has."""
    torch.manual_seed(0)
    model = timm.create_model("test_resnet", num_classes=1000)
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm2d) and norm.running_mean is not None:
            nn.init.uniform_(norm.running_mean, -0.1, 0.1)
    path = tmp_path_factory.mktemp("checkpoint") / "resnet.safetensors"
    save_file(model.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def bundle(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    models = tmp_path_factory.mktemp("models")
    result = snellen_import(RESNET, "--weights", checkpoint, "--models", models)
    assert result.exit_code == 0, result.output
    return read_bundle(models / "test_resnet.r160_in1k" / "1")


def test_the_bundle_is_whole_and_answers_its_golden_photos(bundle: Bundle) -> None:
    """Hashes hold, and a fresh session repeats PyTorch's probabilities."""
    bundle.check_files()
    assert check_golden(bundle) < 1e-4


def test_preprocessing_is_the_one_of_the_published_weights(bundle: Bundle) -> None:
    """Size, crop and interpolation of timm's pretrained_cfg; mean and std are in the graph."""
    published = timm.get_pretrained_cfg("test_resnet.r160_in1k")
    assert published is not None
    preprocessing, target = bundle.manifest.preprocessing, bundle.manifest.input
    assert (3, target.height, target.width) == published.input_size == (3, 160, 160)
    assert (preprocessing.resize, preprocessing.crop_fraction, preprocessing.interpolation) == (
        "crop",
        published.crop_pct,
        published.interpolation,
    )


def test_the_graph_computes_what_timm_computes(bundle: Bundle, checkpoint: Path) -> None:
    """timm's own model and scaling, without code from here, give the same logits; the class map averages to them."""
    model = timm.create_model("test_resnet", checkpoint_path=str(checkpoint)).eval()
    published = timm.get_pretrained_cfg("test_resnet.r160_in1k")
    assert published is not None
    images = fixed_images(bundle.manifest.input)
    mean, std = (torch.tensor(values).reshape(3, 1, 1) for values in (published.mean, published.std))
    with torch.inference_mode():
        expected = model((torch.from_numpy(images).permute(0, 3, 1, 2) / 255 - mean) / std).numpy()
    session = open_session(bundle.path / "model.onnx")
    logits, class_map = session.run([LOGITS, CLASS_MAP], {INPUT: images})
    np.testing.assert_allclose(logits, expected, atol=1e-4)
    np.testing.assert_allclose(class_map.mean((2, 3)) + load_file(checkpoint)["fc.bias"].numpy(), logits, atol=1e-4)


def test_the_bundle_claims_no_more_than_is_known(bundle: Bundle) -> None:
    """ImageNet's labels, no accuracy, no temperature, the file's hash, whose photos they are."""
    manifest = bundle.manifest
    assert (len(manifest.labels), manifest.labels[293]) == (1000, "cheetah")
    metrics = manifest.variants[0].metrics
    assert (metrics.measured, metrics.top1) == (False, None)
    assert manifest.calibration.fitted_on is None
    assert "sha256" in manifest.provenance.dataset
    assert manifest.provenance.licence == "of the file not known; timm's own weights of this name: apache-2.0"
    assert any("CC BY 2.0" in note for note in manifest.provenance.notes)


def test_a_fine_tuned_checkpoint_brings_its_own_labels(tmp_path: Path) -> None:
    """A file of PyTorch with three classes, of a network without a class map, under a name of one's own."""
    torch.save(timm.create_model("test_vit", num_classes=3).state_dict(), tmp_path / "vit.pth")
    (tmp_path / "labels.txt").write_text("cat\ndog\nother\n")
    arguments = ("--weights", tmp_path / "vit.pth", "--labels", tmp_path / "labels.txt", "--models", tmp_path)
    result = snellen_import("timm/test_vit", "--name", "pets", "--version", "4", *arguments)
    assert result.exit_code == 0, result.output
    manifest = read_bundle(tmp_path / "pets" / "4").manifest
    assert manifest.labels == ("cat", "dog", "other")
    assert not manifest.class_map


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no file"),
        (b"junk", "is no checkpoint of test_resnet with these classes"),
        (b"", "is no checkpoint of test_resnet with these classes"),
    ],
)
def test_a_damaged_checkpoint_ends_in_one_line(tmp_path: Path, content: bytes | None, message: str) -> None:
    """And leaves nothing behind."""
    for suffix in ("pth", "safetensors"):
        weights = tmp_path / f"weights.{suffix}"
        if content is not None:
            weights.write_bytes(content)
        result = snellen_import("timm/test_resnet", "--weights", weights, "--models", tmp_path / "models")
        assert result.exit_code == 1
        assert message in result.output
        assert result.output.count("\n") == 1
    assert not list(tmp_path.glob("models/*"))


def test_a_checkpoint_of_other_classes_ends_in_one_line(tmp_path: Path, checkpoint: Path) -> None:
    """A thousand rows do not fit two labels."""
    (tmp_path / "labels.txt").write_text("yes\nno\n")
    result = snellen_import(
        "timm/test_resnet", "--weights", checkpoint, "--labels", tmp_path / "labels.txt", "--models", tmp_path
    )
    assert (result.exit_code, result.output.count("\n")) == (1, 1)
    assert "size mismatch for fc" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["timm/resnet"], "timm has no network 'resnet'"),
        (["timm/vit_base_patch14_dinov2.lvd142m"], "has no classes, only features"),
        (["resnet-18"], "there is no network 'resnet-18' to import; there is: efficientnet-lite0, timm/<model>"),
        (["efficientnet-lite0", "--weights", "x"], "leave out --weights"),
    ],
)
def test_what_cannot_be_imported_ends_in_one_line(tmp_path: Path, arguments: list[str], message: str) -> None:
    """Before anything is made."""
    result = snellen_import(*arguments, "--models", tmp_path / "models")
    assert (result.exit_code, result.output.count("\n")) == (1, 1)
    assert message in result.output
    assert not (tmp_path / "models").exists()


def test_without_a_network_the_sentence_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's own switch for being offline, and an empty cache."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    result = snellen_import(RESNET, "--models", tmp_path / "models")
    assert result.exit_code == 1
    assert "the weights of timm/test_resnet.r160_in1k cannot be downloaded" in result.output
    assert "--weights" in result.output


def test_a_hub_that_cannot_be_reached_is_asked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The same sentence, without the library's own tries again and again."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    result = snellen_import(RESNET, "--models", tmp_path / "models")
    assert (result.exit_code, result.output.count("\n")) == (1, 1)
    assert "the weights of timm/test_resnet.r160_in1k cannot be downloaded" in result.output
    assert "Retrying" not in caplog.text


def test_the_manifest_is_readable_json(bundle: Bundle) -> None:
    """For whoever has no Python."""
    assert json.loads((bundle.path / "manifest.json").read_text())["architecture"] == "timm test_resnet"
