"""`snellen import FILE.onnx` in the environment of the service: one command from a file to an endpoint."""

import io
import json
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx
import numpy as np
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from PIL import Image
from typer.testing import CliRunner

from snellen.__main__ import app
from tests.snellen.command import snellen
from tests.support.onnx_files import (
    BINARY_LOGITS,
    FEATURE_MAPS,
    FEATURE_MAPS_NHWC,
    FLOAT16,
    HUGGING_FACE,
    KERAS_BINARY,
    LABELS,
    NCHW_ANY_SIZE,
    NCHW_LOGITS,
    NEVER_FREE,
    NHWC_SOFTMAX,
    OPSET_7,
    OPSET_11,
    SIDE,
    SIGMOID,
    SIGMOID_BY_HAND,
    STATIC_BATCH,
    TWO_OUTPUTS,
    UINT8,
    ULTRALYTICS,
    write_onnx,
)
from tests.support.server import ServerProcess, running, running_module
from training.importing.golden_photos import shipped_photos

Floats = NDArray[np.float64]
_MEAN: Floats = np.array([0.485, 0.456, 0.406])
_STD: Floats = np.array([0.229, 0.224, 0.225])
CAT_DOG = ("cat", "dog")
CONFIG = {"id2label": {"0": "red", "1": "green", "2": "blue"}}
PROCESSOR = {"size": SIDE, "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
_CAFFE_MEAN: Floats = np.array([103.939, 116.779, 123.68])


def unit(pixels: Floats) -> Floats:
    return pixels / 255


def imagenet(pixels: Floats) -> Floats:
    return (pixels / 255 - _MEAN) / _STD


def inception(pixels: Floats) -> Floats:
    return pixels / 127.5 - 1


def caffe(pixels: Floats) -> Floats:
    return (pixels[..., ::-1] - _CAFFE_MEAN) / 64


def raw(pixels: Floats) -> Floats:
    return pixels


def same(scores: Floats) -> Floats:
    return scores


def softmax(scores: Floats) -> Floats:
    probabilities: Floats = np.exp(scores) / np.exp(scores).sum()
    return probabilities


def sigmoid(scores: Floats) -> Floats:
    return 1 / (1 + np.exp(-scores))


def two_classes(score: Floats) -> Floats:
    return np.concatenate([1 - score, score])


@dataclass(frozen=True)
class Kind:
    """An exporter's file, the options that it takes, and what its network is fed with.

    probabilities: what the reader makes of the outputs [K].
    """

    text: str
    scale: Callable[[Floats], Floats]
    options: tuple[str, ...] = ()
    channels_last: bool = False
    probabilities: Callable[[Floats], Floats] = softmax
    labels: tuple[str, ...] = LABELS
    external: bool = False
    tolerance: float = 1e-4


KINDS = {
    "nchw-logits": Kind(NCHW_LOGITS, imagenet, ("--preset", "imagenet")),
    "keras-nhwc-softmax": Kind(
        NHWC_SOFTMAX, inception, ("--preset", "inception"), channels_last=True, probabilities=same
    ),
    "static-batch": Kind(STATIC_BATCH, imagenet, ("--mean", "0.485,0.456,0.406", "--std", "0.229,0.224,0.225")),
    "ultralytics": Kind(ULTRALYTICS, unit, probabilities=same),
    "float16": Kind(FLOAT16, unit, ("--preset", "unit"), tolerance=2e-3),
    "two-outputs": Kind(TWO_OUTPUTS, unit, ("--preset", "unit")),
    "opset-11": Kind(OPSET_11, unit, ("--preset", "unit"), probabilities=same),
    "opset-7": Kind(OPSET_7, unit, ("--preset", "unit"), probabilities=same),
    "external-data": Kind(NCHW_LOGITS, unit, ("--preset", "unit"), external=True),
    "uint8": Kind(UINT8, raw, channels_last=True),
    "bgr": Kind(
        NCHW_LOGITS, caffe, ("--colour", "BGR", "--mean", "103.939,116.779,123.68", "--std", "64")
    ),
    "sigmoids": Kind(SIGMOID, unit, ("--preset", "unit"), probabilities=same),
    "sigmoids-by-hand": Kind(SIGMOID_BY_HAND, unit, ("--preset", "unit"), probabilities=same),
    "logits-of-several-labels": Kind(
        NCHW_LOGITS, unit, ("--preset", "unit", "--task", "multilabel"), probabilities=sigmoid
    ),
    "keras-binary": Kind(
        KERAS_BINARY,
        inception,
        ("--preset", "inception"),
        channels_last=True,
        probabilities=two_classes,
        labels=CAT_DOG,
    ),
    "binary-logits": Kind(
        BINARY_LOGITS,
        unit,
        ("--preset", "unit", "--scores", "logits"),
        probabilities=lambda score: two_classes(sigmoid(score)),
        labels=CAT_DOG,
    ),
    "hugging-face": Kind(HUGGING_FACE, imagenet),
    "any-size": Kind(NCHW_ANY_SIZE, unit, ("--preset", "unit", "--size", str(SIDE))),
    "one-at-a-time": Kind(NEVER_FREE, unit, ("--preset", "unit")),
    "maps": Kind(FEATURE_MAPS, unit, ("--preset", "unit")),
    "maps-nhwc": Kind(FEATURE_MAPS_NHWC, unit, ("--preset", "unit"), channels_last=True, probabilities=same),
    "maps-any-size": Kind(
        FEATURE_MAPS.replace(f"{SIDE}, {SIDE}", "height, width"), unit, ("--preset", "unit", "--size", str(SIDE))
    ),
}  # fmt: skip
UNLABELLED = ("ultralytics", "hugging-face")
"""Kinds whose files name their classes."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One ONNX file of each kind, in a folder of its name, and its labels."""
    folder = tmp_path_factory.mktemp("files")
    for name, kind in KINDS.items():
        (folder / name).mkdir()
        if name not in UNLABELLED:
            (folder / name / "labels.txt").write_text("\n".join(kind.labels))
        write_onnx(folder / name / "model.onnx", kind.text, external=kind.external)
    (folder / "hugging-face" / "config.json").write_text(json.dumps(CONFIG))
    (folder / "hugging-face" / "preprocessor_config.json").write_text(json.dumps(PROCESSOR))
    return folder


@pytest.fixture(scope="module")
def models(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with each of them, imported by one command each, in this process: starting one takes a second."""
    repository = tmp_path_factory.mktemp("models")
    for name, kind in KINDS.items():
        labels = () if name in UNLABELLED else ("--labels", files / name / "labels.txt")
        file = files / name / "model.onnx"
        command = ("import", file, "--name", name, "--models", repository, *labels, *kind.options)
        done = CliRunner().invoke(app, [*map(str, command)])
        assert done.exit_code == 0, f"{name}: {done.output}"
        assert "the greatest difference from the file" in done.stdout
        assert done.stderr == ""
    return repository


def png(pixels: NDArray[np.uint8]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def picture(seed: int = 1, side: int = SIDE) -> tuple[bytes, Floats]:
    """A PNG of squares of 4x4 pixels, by default of the networks' size, and its pixels."""
    pixels = np.random.default_rng(seed).integers(0, 256, (side // 4, side // 4, 3), np.uint8)
    pixels = pixels.repeat(4, 0).repeat(4, 1)
    return png(pixels), pixels.astype(np.float64)


def original(file: Path, kind: Kind, pixels: Floats) -> Floats:
    """Probabilities by the file itself, from pixels that are scaled here."""
    session = ort.InferenceSession(file, providers=["CPUExecutionProvider"])
    image = kind.scale(pixels)
    image = image if kind.channels_last else image.transpose(2, 0, 1)
    types = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}
    feed = session.get_inputs()[0]
    output = session.get_outputs()[-1]
    (values,) = session.run([output.name], {feed.name: image[None].astype(types[feed.type])})
    scores = np.asarray(values, np.float64).reshape(-1)
    return kind.probabilities(scores)


@pytest.fixture(scope="module")
def service(models: Path) -> Iterator[ServerProcess]:
    """One process that serves all of them."""
    with running(models, "--default-model", "uint8") as server:
        yield server


def probabilities(result: dict[str, Any], labels: tuple[str, ...] = LABELS) -> list[float]:
    """Those of one result, in the order of the labels."""
    served = {each["label"]: each["probability"] for each in result["predictions"]}
    return [served[label] for label in labels]


def test_each_kind_of_file_is_served_as_it_answers_itself(files: Path, models: Path, service: ServerProcess) -> None:
    """One command imports it, `verify` passes it, and the service answers within 1e-4; float16 within 2e-3."""
    verified = snellen("verify", *(models / name / "1" for name in KINDS))
    assert verified.returncode == 0, verified.stderr
    body, pixels = picture()
    for name, kind in KINDS.items():
        url = f"{service.url}/v1/models/{name}/classify?top_k={len(kind.labels)}"
        answer = httpx.post(url, content=body).json()
        expected = original(files / name / "model.onnx", kind, pixels)
        assert probabilities(answer["results"][0], kind.labels) == pytest.approx(expected, abs=kind.tolerance), name


def test_a_model_of_one_image_at_a_time_takes_several_in_a_request(files: Path, service: ServerProcess) -> None:
    """Each gets the answer that it gets alone; the page of the model says what it does."""
    bodies = [picture(seed) for seed in range(8)]
    parts = [("image", (f"{index}.png", body)) for index, (body, _) in enumerate(bodies)]
    answer = httpx.post(f"{service.url}/v1/models/one-at-a-time/classify?top_k=3", files=parts).json()
    for result, (_, pixels) in zip(answer["results"], bodies, strict=True):
        expected = original(files / "one-at-a-time" / "model.onnx", KINDS["one-at-a-time"], pixels)
        assert probabilities(result) == pytest.approx(expected, abs=1e-4)
    assert httpx.get(f"{service.url}/v1/models/one-at-a-time").json()["engine"]["max_batch_size"] == 1
    assert "could not run" not in service.log


@pytest.mark.parametrize("name", ["maps", "maps-nhwc", "maps-any-size"])
def test_heat_maps_show_where_the_class_was_seen(service: ServerProcess, name: str) -> None:
    """It moves by one position with a bright square that moves by the stride, whatever the order of the axes."""
    heat = []
    for left in (4, 6):
        pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
        pixels[2:6, left : left + 4] = 255
        answer = httpx.post(f"{service.url}/v1/models/{name}/classify?explain=heatmap", content=png(pixels)).json()
        heat.append(np.array(answer["results"][0]["heatmap"]["values"]))
    assert heat[0].shape == (7, 7)
    assert heat[0].std() > 0.1
    np.testing.assert_allclose(heat[1][:, 1:], heat[0][:, :-1], atol=1e-3)


def test_parts_of_a_large_picture_are_classified_where_the_size_is_free(service: ServerProcess) -> None:
    """Each as the picture of this part alone; a file of one size says that it cannot."""
    body, pixels = picture(side=2 * SIDE)
    url = f"{service.url}/v1/models/maps-any-size/classify"
    grid = httpx.post(f"{url}?dense=1&top_k=3", content=body).json()["results"][0]["dense"]
    assert (grid["rows"], grid["columns"], grid["stride"]) == (9, 9, {"height": 2, "width": 2})
    part = np.ascontiguousarray(pixels[6 : 6 + SIDE, 4 : 4 + SIDE].astype(np.uint8))
    alone = httpx.post(f"{url}?top_k=3", content=png(part)).json()["results"][0]["predictions"]
    assert grid["class_ids"][3][2] == [each["class_id"] for each in alone]
    assert grid["probabilities"][3][2] == pytest.approx([each["probability"] for each in alone], abs=1e-4)
    refused = httpx.post(f"{service.url}/v1/models/maps/classify?dense=1", content=body)
    assert refused.json()["type"] == "/problems/not-dense"


def test_a_file_is_served_by_one_command(files: Path, tmp_path: Path) -> None:
    """It is imported at the first start; the second one takes what that made. Settings of the service apply."""
    file, kind = files / "static-batch" / "model.onnx", KINDS["static-batch"]
    flags = ("--labels", str(file.parent / "labels.txt"), *kind.options, "--port", "0", "--max-images", "1")
    environment = {"XDG_CACHE_HOME": str(tmp_path)}
    body, pixels = picture()
    for said in ("wrote ", "imported before, in "):
        with running_module("snellen", "serve", str(file), *flags, environment=environment) as server:
            assert any(line.startswith(said) for line in server.lines)
            answer = httpx.post(f"{server.url}/v1/classify?top_k=3", content=body).json()
            assert answer["model"] == "model"
            expected = original(file, kind, pixels)
            assert probabilities(answer["results"][0]) == pytest.approx(expected, abs=1e-4)
            two = httpx.post(f"{server.url}/v1/classify", files=[("image", body), ("image", body)])
            assert two.json()["type"] == "/problems/too-many-images"


def test_external_weights_are_brought_into_the_bundle(models: Path) -> None:
    """The folder needs no file outside it."""
    assert {path.name for path in (models / "external-data" / "1").iterdir()} == {
        "MODEL_CARD.md",
        "golden",
        "manifest.json",
        "model.onnx",
    }


def test_the_commands_of_the_document_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each `snellen import` of an ONNX file in docs/importing.md, in a folder with the files that it names."""
    text = (Path(__file__).parents[2] / "docs/importing.md").read_text()
    commands = re.findall(r"^snellen (import \S+\.onnx .*)$", text, re.MULTILINE)
    assert len(commands) >= 3
    exported = tmp_path / "my-classifier" / "onnx"
    exported.mkdir(parents=True)
    (exported.parent / "config.json").write_text(json.dumps(CONFIG))
    (exported.parent / "preprocessor_config.json").write_text(json.dumps(PROCESSOR))
    write_onnx(exported / "model.onnx", HUGGING_FACE)
    write_onnx(tmp_path / "model.onnx", NCHW_LOGITS)
    (tmp_path / "labels.txt").write_text("\n".join(LABELS))
    (tmp_path / "photo.jpg").write_bytes(shipped_photos()[0].encoded)
    monkeypatch.chdir(tmp_path)
    for command in commands:
        done = snellen(*shlex.split(command))
        assert done.returncode == 0, f"{command}: {done.stderr}"


def test_the_five_best_classes_of_a_photo_are_printed(files: Path, tmp_path: Path) -> None:
    """`--check` shows a wrong scaling at once; here there are three classes."""
    (tmp_path / "photo.png").write_bytes(picture()[0])
    done = snellen(
        *("import", files / "ultralytics" / "model.onnx", "--name", "checked", "--models", tmp_path),
        *("--check", tmp_path / "photo.png"),
    )
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith("check")]
    assert sorted(line[2] for line in lines) == sorted(LABELS)
    assert sum(float(line[1]) for line in lines) == pytest.approx(1, abs=1e-3)
