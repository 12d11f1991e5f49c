"""`snellen import` of networks that others trained, from checkpoints on disk."""

import argparse
import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.datasets
import timm
import torch
import torchvision
from PIL import Image
from safetensors.torch import load_file, save_file
from timm.data.config import resolve_data_config
from timm.data.transforms_factory import create_transform
from torch import Tensor, nn
from torchvision.transforms._presets import ImageClassification
from typer.testing import CliRunner, Result

from models.contract import CLASS_MAP, INPUT, LOGITS, Bundle, read_bundle
from snellen.__main__ import app
from training.data.sources.open_image import read_pixels
from training.evaluation.onnx_session import open_session, single_predictor
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
        (b"junk", "cannot be read as a checkpoint"),
        (b"", "cannot be read as a checkpoint"),
    ],
)
def test_a_damaged_checkpoint_ends_in_one_line(tmp_path: Path, content: bytes | None, message: str) -> None:
    """And leaves nothing behind."""
    for suffix in ("pth", "safetensors"):
        weights = tmp_path / f"weights.{suffix}"
        if content is not None:
            weights.write_bytes(content)
        result = snellen_import("timm/test_resnet", "--weights", weights, "--models", tmp_path / "models")
        assert result.exit_code == 2
        assert message in result.output
        assert result.output.count("\n") == 1
    assert not list(tmp_path.glob("models/*"))


def test_a_checkpoint_of_other_classes_ends_in_one_line(tmp_path: Path, checkpoint: Path) -> None:
    """A thousand rows do not fit two labels."""
    (tmp_path / "labels.txt").write_text("yes\nno\n")
    result = snellen_import(
        "timm/test_resnet", "--weights", checkpoint, "--labels", tmp_path / "labels.txt", "--models", tmp_path
    )
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "labels.txt has 2 labels, but fc.weight [1000, " in result.stderr
    assert "has 1000 classes" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["timm/resnet"], "timm has no network 'resnet'"),
        (["timm/vit_base_patch14_dinov2.lvd142m"], "has no classes, only features"),
        (["resnet-18"], "there is no network 'resnet-18' to import; there is: efficientnet-lite0, timm/<model>"),
        (["torchvision/resnet"], "torchvision has no classifier 'resnet'; it has: resnet"),
        (["torchvision/resnet18"], "torchvision/resnet18 takes a checkpoint: give its file with --weights"),
        (["efficientnet-lite0", "--size", "3"], "--size is for ONNX files"),
        (["timm/resnet18", "--scores", "logits"], "--scores is for ONNX files"),
        (["efficientnet-lite0", "--weights", "x"], "leave out --weights"),
    ],
)
def test_what_cannot_be_imported_ends_in_one_line(tmp_path: Path, arguments: list[str], message: str) -> None:
    """Before anything is made."""
    result = snellen_import(*arguments, "--models", tmp_path / "models")
    assert (result.exit_code, result.output.count("\n")) == (2, 1)
    assert message in result.output
    assert not (tmp_path / "models").exists()


def test_without_a_network_the_sentence_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's own switch for being offline, and an empty cache."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    result = snellen_import(RESNET, "--models", tmp_path / "models")
    assert result.exit_code == 2
    assert "the weights of timm/test_resnet.r160_in1k cannot be downloaded" in result.output
    assert "--weights" in result.output


def test_a_hub_that_cannot_be_reached_is_asked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The same sentence, without the library's own tries again and again."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    result = snellen_import(RESNET, "--models", tmp_path / "models")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "the weights of timm/test_resnet.r160_in1k cannot be downloaded" in result.output
    assert "Retrying" not in caplog.text


def photos(folder: Path) -> list[Path]:
    """Write parts of the photographs that ship with scikit-learn, in several proportions."""
    written = list[Path]()
    for source in sorted((Path(sklearn.datasets.__file__).parent / "images").glob("*.jpg")):
        for number, box in enumerate([(0, 0, 640, 427), (0, 0, 200, 427), (300, 100, 640, 250), (320, 200, 460, 340)]):
            written.append(folder / f"{source.stem}-{number}.png")
            Image.open(source).crop(box).save(written[-1])
    return written


def assert_same_answers(
    bundle: Bundle, model: nn.Module, transform: Callable[[Any], Tensor], paths: list[Path]
) -> None:
    """Compare a bundle with the network that it was made of, on photographs that each prepares in its own way."""
    classify = single_predictor(open_session(bundle.path / "model.onnx"))
    for path in paths:
        found = classify(read_pixels(path, bundle.manifest.input, bundle.manifest.preprocessing))
        with torch.inference_mode():
            expected = model.eval()(transform(Image.open(path).convert("RGB"))[None]).softmax(1)[0].numpy()
        assert found.argmax() == expected.argmax(), path
        np.testing.assert_allclose(found, expected, atol=0.02)


def trained(model: nn.Module) -> nn.Module:
    """Give a network statistics and a last layer that tell photographs apart."""
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d) and part.running_mean is not None:
            nn.init.uniform_(part.running_mean, -0.1, 0.1)
        if isinstance(part, nn.Linear):
            nn.init.normal_(part.weight, std=0.1)
    return model


def test_photos_of_the_user_become_the_golden_images(tmp_path: Path) -> None:
    """Of a checkpoint as of an ONNX file: the first 8, in their order, named in the manifest."""
    torch.save(timm.create_model("test_resnet", num_classes=7).state_dict(), tmp_path / "net.pth")
    folder = tmp_path / "mine"
    folder.mkdir()
    taken = photos(folder)
    arguments = ("timm/test_resnet", "--weights", tmp_path / "net.pth", "--models", tmp_path / "models")
    result = snellen_import(*arguments, "--golden", folder)
    assert result.exit_code == 0, result.output
    assert "golden" in result.output
    manifest = read_bundle(tmp_path / "models/test_resnet/1").manifest
    assert manifest.golden.images == tuple(f"golden/{number}.png" for number in range(1, len(taken) + 1))
    assert f"Golden photo 1.png: {taken[0].name}." in manifest.provenance.notes
    assert not any("scikit-learn" in note or "CC BY 2.0" in note for note in manifest.provenance.notes)
    (folder / "0.txt").write_text("no photo")
    refused = snellen_import(*arguments, "--golden", folder)
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
    assert "0.txt cannot be used for --golden" in refused.stderr
    assert sorted(path.name for path in (tmp_path / "models/test_resnet").iterdir()) == ["1"]


def test_a_checkpoint_of_timms_own_training_says_how_pictures_are_prepared(tmp_path: Path) -> None:
    """Size, mean, deviation, crop and interpolation of its args; the answers are those of timm with these args."""
    torch.manual_seed(0)
    model = trained(timm.create_model("test_resnet", num_classes=7))
    args = {
        "img_size": 96,
        "mean": (0.5, 0.4, 0.3),
        "std": (0.5, 0.5, 0.5),
        "crop_pct": 0.8,
        "interpolation": "bilinear",
    }
    kept = {"state_dict": model.state_dict(), "args": argparse.Namespace(model="test_resnet", **args), "epoch": 3}
    torch.save(kept, tmp_path / "model_best.pth.tar")
    result = snellen_import(
        "timm/test_resnet", "--weights", tmp_path / "model_best.pth.tar", "--models", tmp_path, "--name", "mine"
    )
    assert result.exit_code == 0, result.output
    bundle = read_bundle(tmp_path / "mine" / "1")
    assert bundle.manifest.input.shape == (96, 96, 3)
    assert "of the training in model_best.pth.tar" in result.output
    config = resolve_data_config(args, model=model)  # type: ignore[no-untyped-call]
    assert_same_answers(bundle, model, create_transform(**config), photos(tmp_path))


def test_a_checkpoint_without_settings_takes_options_and_says_what_it_assumes(tmp_path: Path) -> None:
    """With the options of its training the answers are those of the network; blue comes first in it."""
    torch.manual_seed(0)
    model = trained(timm.create_model("test_resnet", num_classes=7))
    torch.save({f"module.net.{key}": each for key, each in model.state_dict().items()}, tmp_path / "net.pth")
    arguments = ("timm/test_resnet", "--weights", tmp_path / "net.pth", "--models", tmp_path, "--name", "mine")
    assumed = snellen_import(*arguments)
    assert assumed.exit_code == 0, assumed.output
    assert assumed.output.count("assumed: timm's settings of test_resnet, since net.pth does not say") == 3
    assert "'module.net.' was removed from the names" in assumed.output
    given = ("--size", "80", "--mean", "0.1,0.2,0.3", "--std", "0.2", "--colour", "BGR", "--resize", "squash")
    photo = photos(tmp_path)[0]
    result = snellen_import(*arguments, *given, "--interpolation", "bilinear", "--check", photo)
    assert result.exit_code == 0, result.output
    assert result.output.count("check ") == 5
    mean = torch.tensor([0.1, 0.2, 0.3]).reshape(3, 1, 1)

    def transform(image: Image.Image) -> Tensor:
        pixels = np.asarray(image.resize((80, 80), Image.Resampling.BILINEAR))[:, :, ::-1].copy()
        return (torch.from_numpy(pixels).permute(2, 0, 1) / 255 - mean) / 0.2

    assert_same_answers(read_bundle(tmp_path / "mine" / "2"), model, transform, photos(tmp_path))


def test_torchvisions_checkpoints_are_prepared_as_torchvision_does(tmp_path: Path) -> None:
    """Of its own training script: the moving average, with the size and crop of validation."""
    torch.manual_seed(0)
    model = trained(torchvision.models.shufflenet_v2_x0_5(num_classes=6))
    average = {"n_averaged": torch.tensor(3), **{f"module.{key}": each for key, each in model.state_dict().items()}}
    settings = argparse.Namespace(val_resize_size=120, val_crop_size=96, interpolation="bilinear")
    other = torchvision.models.shufflenet_v2_x0_5(num_classes=6).state_dict()
    torch.save({"model": other, "model_ema": average, "args": settings}, tmp_path / "checkpoint.pth")
    result = snellen_import(
        "torchvision/shufflenet_v2_x0_5", "--weights", tmp_path / "checkpoint.pth", "--models", tmp_path
    )
    assert result.exit_code == 0, result.output
    bundle = read_bundle(tmp_path / "shufflenet_v2_x0_5" / "1")
    assert bundle.manifest.class_map
    transform = ImageClassification(crop_size=96, resize_size=120)
    assert_same_answers(bundle, model, transform, photos(tmp_path))


def test_a_grey_network_is_recognised(tmp_path: Path) -> None:
    """By the channels of its first layer."""
    torch.save(timm.create_model("test_resnet", num_classes=3, in_chans=1).state_dict(), tmp_path / "grey.pth")
    result = snellen_import("timm/test_resnet", "--weights", tmp_path / "grey.pth", "--models", tmp_path)
    assert result.exit_code == 0, result.output
    assert read_bundle(tmp_path / "test_resnet" / "1").manifest.input.shape == (160, 160, 1)


DOCUMENTED = re.findall(
    r"^snellen import (\S+ --weights .*)$",
    (Path(__file__).parents[3] / "docs/importing.md").read_text(),
    re.MULTILINE,
)


@pytest.mark.parametrize("command", DOCUMENTED)
def test_a_command_of_the_document_works(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each `snellen import` of a checkpoint in docs/importing.md, in a folder with the files that it names."""
    assert len(DOCUMENTED) >= 3
    library, _, name = command.split(maxsplit=1)[0].partition("/")
    make = timm.create_model if library == "timm" else torchvision.models.get_model
    weights = make(name, num_classes=3).state_dict()
    save_file(weights, tmp_path / "mine.safetensors")
    torch.save(weights, tmp_path / "mine.pth")
    torch.save({"state_dict": weights, "args": argparse.Namespace(img_size=64)}, tmp_path / "model_best.pth.tar")
    (tmp_path / "mine.txt").write_text("rose\ntulip\niris\n")
    monkeypatch.chdir(tmp_path)
    done = snellen_import(*shlex.split(command))
    assert done.exit_code == 0, done.output
    assert read_bundle(tmp_path / "models" / "mine" / "1").manifest.labels == ("rose", "tulip", "iris")


def test_the_manifest_is_readable_json(bundle: Bundle) -> None:
    """For whoever has no Python."""
    assert json.loads((bundle.path / "manifest.json").read_text())["architecture"] == "timm test_resnet"
