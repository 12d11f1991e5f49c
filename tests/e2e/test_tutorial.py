"""Each command of the tutorial "Serve the ONNX file you have", against files like those of the five libraries."""

import json
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from PIL import Image

from models.contract import Colour, Input, Preprocessing, preprocess
from tests.support.onnx_files import (
    FEATURE_MAPS,
    FEATURE_MAPS_NHWC,
    LABELS,
    SIDE,
    ULTRALYTICS,
    write_labels,
    write_onnx,
)
from tests.support.server import running_module
from tests.support.tutorial import ROOT, commands, sections

HUGGING_FACE = FEATURE_MAPS.replace(
    f"(float[batch, 3, {SIDE}, {SIDE}] input) => (float[batch, 3] output)",
    "(float[batch_size, num_channels, height, width] pixel_values) => (float[batch_size, 3] logits)",
)
HUGGING_FACE = HUGGING_FACE.replace("Conv <strides = [2, 2]> (input,", "Conv <strides = [2, 2]> (pixel_values,")
HUGGING_FACE = HUGGING_FACE.replace(" output = Gemm", " logits = Gemm")
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


class Export(NamedTuple):
    """What a library writes: file, text, and what its network is fed with: mean and deviation, in grey levels to 1.

    beside: names of further files in its folder, and their content as JSON.
    """

    file: str
    text: str
    mean: NDArray[np.float64] = MEAN
    std: NDArray[np.float64] = STD
    side: int = SIDE
    preprocessing: Preprocessing = Preprocessing(interpolation="bilinear")
    external: bool = False
    beside: Mapping[str, object] = {}


EXPORTS = {
    "PyTorch": Export(
        "flowers.onnx",
        FEATURE_MAPS,
        preprocessing=Preprocessing(crop_fraction=0.875, interpolation="bilinear"),
        external=True,
    ),
    "timm": Export(
        "birds.onnx", FEATURE_MAPS, preprocessing=Preprocessing(crop_fraction=0.875, interpolation="bicubic")
    ),
    "Keras": Export("fruit.onnx", FEATURE_MAPS_NHWC, np.full(3, 0.5), np.full(3, 0.5)),
    "Hugging Face": Export(
        "food/model.onnx",
        HUGGING_FACE,
        side=224,
        preprocessing=Preprocessing(resize="squash", interpolation="bicubic"),
        beside={
            "config.json": {"id2label": dict(enumerate(LABELS))},
            "preprocessor_config.json": {
                "image_processor_type": "ViTImageProcessor",
                "image_mean": MEAN.tolist(),
                "image_std": STD.tolist(),
                "resample": 3,
                "size": {"height": 224, "width": 224},
            },
        },
    ),
    "ultralytics": Export("yolo11n-cls.onnx", ULTRALYTICS, np.zeros(3), np.ones(3)),
}


@pytest.fixture
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A working directory with what the tutorial takes for granted: the file, the labels and a photo."""
    made: Export = EXPORTS[request.param]
    write_labels(tmp_path)
    (tmp_path / made.file).parent.mkdir(exist_ok=True)
    write_onnx(tmp_path / made.file, made.text, external=made.external)
    for name, content in made.beside.items():
        (tmp_path / made.file).with_name(name).write_text(json.dumps(content))
    (tmp_path / "photo.jpg").write_bytes((ROOT / "training/importing/photos/espresso.jpg").read_bytes())
    return tmp_path


def expected(folder: Path, made: Export) -> list[float]:
    """Probabilities by the file itself."""
    target = Input(colour=Colour.RGB, height=made.side, width=made.side)
    with Image.open(folder / "photo.jpg") as photo:
        pixels = preprocess(photo, target, made.preprocessing)
    values = ((pixels / 255 - made.mean) / made.std).astype(np.float32)[None]
    session = ort.InferenceSession(folder / made.file, providers=["CPUExecutionProvider"])
    values = values if made.text is FEATURE_MAPS_NHWC else values.transpose(0, 3, 1, 2)
    (scores,) = session.run(None, {session.get_inputs()[0].name: values})
    row = np.asarray(scores, np.float64)[0]
    softmax = made.text in (FEATURE_MAPS_NHWC, ULTRALYTICS)
    return (row if softmax else np.exp(row) / np.exp(row).sum()).tolist()  # type: ignore[no-any-return]


def test_every_section_has_its_file() -> None:
    """And serves the file that it exports."""
    assert sections() == [*EXPORTS]
    for name, made in EXPORTS.items():
        assert commands(name)[0].startswith(f"snellen serve {made.file}")


@pytest.mark.parametrize(("folder", "name"), [(name, name) for name in EXPORTS], ids=[*EXPORTS], indirect=["folder"])
def test_one_command_serves_the_file(folder: Path, name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Then each request is answered, as the file itself answers."""
    serve, *requests = map(shlex.split, commands(name))
    environment = {"XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache"))}
    with running_module(*serve, "--port", "0", environment=environment, folder=folder) as server:
        host = server.url.removeprefix("http://")
        for request in requests:
            curl = [part.replace("localhost:8000", host) for part in request]
            done = subprocess.run(["curl", "-sS", *curl[1:]], cwd=folder, check=True, capture_output=True)
            (result,) = json.loads(done.stdout)["results"]
            served = {each["label"]: each["probability"] for each in result["predictions"]}
            assert [served[label] for label in LABELS] == pytest.approx(expected(folder, EXPORTS[name]), abs=1e-4)
            assert ("heatmap" in result) == ("explain=heatmap" in request[-1])
