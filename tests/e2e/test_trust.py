"""Energy, thresholds and calibration in the answers of real services, of one process and of several."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import numpy as np
import onnxruntime as ort
import pytest
from PIL import Image

from models.contract import Preprocessing, Task, preprocess
from tests.support.bundles import INPUT, change_manifest, write_bundle
from tests.support.dense import noise, write_dense_bundle
from tests.support.pictures import encoded
from tests.support.server import ServerProcess, running

THRESHOLD = -8
PICTURES = [Image.fromarray(noise(height, width)) for height, width in ((16, 16), (30, 20), (64, 90))] + [
    Image.new("RGB", (16, 16), colour) for colour in ((255, 0, 0), (0, 0, 0), (10, 255, 30))
]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_bundle(folder, energy_threshold=THRESHOLD)
    write_bundle(folder, "without")
    write_bundle(folder, "tags", task=Task.MULTILABEL, thresholds=(0.5, 0.9, 0.5))
    change_manifest(write_bundle(folder, "sensor", task=Task.MULTILABEL), preprocessing={"bits": 12})
    write_dense_bundle(folder, energy_threshold=-2)
    return folder


@pytest.fixture(scope="module", params=["one process", "several frontends", "an engine process"])
def server(request: pytest.FixtureRequest, repository: Path) -> Iterator[ServerProcess]:
    flags = {
        "one process": (),
        "several frontends": ("--frontends", "2"),
        "an engine process": ("--frontends", "2", "--engines", "1"),
    }[request.param]
    with running(repository, "--default-model", "colours", *flags) as process:
        yield process


def classify(server: ServerProcess, path: str, *pictures: Image.Image, **headers: str) -> dict[str, Any]:
    files = [("image", ("picture.png", encoded(picture))) for picture in pictures]
    response = httpx.post(f"{server.url}/v1/{path}", files=files, headers=headers, timeout=60)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def expected_energy(graph: Path, image: Image.Image) -> float:
    """Return the energy from the logits of the same graph, computed in float64."""
    pixels = preprocess(image, INPUT, Preprocessing())
    logits = ort.InferenceSession(graph).run(["logits"], {"image": pixels[None]})[0]
    return float(-np.logaddexp.reduce(logits[0].astype(np.float64)))


@pytest.mark.parametrize("query", ["", "?explain=heatmap"])
@pytest.mark.parametrize("priority", ["interactive", "bulk"])
def test_energies_are_those_of_the_logits(server: ServerProcess, repository: Path, query: str, priority: str) -> None:
    """Alone and in a batch, with a heat map and in bulk; above the threshold an image is unfamiliar."""
    results = classify(server, f"classify{query}", *PICTURES, **{"X-Priority": priority})["results"]
    for image, result in zip(PICTURES, results, strict=True):
        expected = expected_energy(repository / "colours/1/model.onnx", image)
        assert result["energy"] == pytest.approx(expected, rel=1e-5)
        assert result["unfamiliar"] == (expected > THRESHOLD)
        (alone,) = classify(server, f"classify{query}", image)["results"]
        assert alone["energy"] == pytest.approx(result["energy"], rel=1e-5)
    assert {result["unfamiliar"] for result in results} == {True, False}


def test_a_dense_result_has_the_energy_of_the_whole_picture(server: ServerProcess, repository: Path) -> None:
    """From the logits of the network over all of it."""
    picture = PICTURES[2]
    (result,) = classify(server, "models/dense/classify?dense=1", picture)["results"]
    session = ort.InferenceSession(repository / "dense/1/model.onnx")
    logits = session.run(["logits"], {"image": np.asarray(picture)[None]})[0][0].astype(np.float64)
    expected = -np.logaddexp.reduce(logits)
    assert result["energy"] == pytest.approx(expected, rel=1e-5)
    assert result["unfamiliar"] == (expected > -2)


def test_a_bundle_without_a_threshold_says_nothing(server: ServerProcess) -> None:
    """Its results have the fields that they had."""
    answer = classify(server, "models/without/classify", *PICTURES)
    assert all(result.keys() == {"predictions"} for result in answer["results"])
    assert answer["calibrated"] is False


def test_a_multilabel_bundle_is_served(server: ServerProcess) -> None:
    """Any number of its classes is present, each by its own threshold; prediction sets are refused."""
    white, black, red = (Image.new("RGB", (16, 16), colour) for colour in ("white", "black", (255, 0, 0)))
    results = classify(server, "models/tags/classify", white, black, red)["results"]
    present = [[p["label"] for p in result["predictions"] if p["present"]] for result in results]
    assert present == [["red", "green", "blue"], [], ["red"]]
    assert results[0]["predictions"][0]["probability"] == pytest.approx(1 / (1 + np.exp(-5)), abs=1e-5)
    url = f"{server.url}/v1/models/tags"
    refused = httpx.post(f"{url}/classify?coverage=0.9", content=encoded(red))
    assert (refused.status_code, refused.json()["type"]) == (422, "/problems/invalid-option")
    assert httpx.get(url).json()["task"] == "multilabel"


@pytest.mark.parametrize("side", [16, 1500])
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_twelve_bits_in_a_file_of_sixteen_are_read_as_the_bundle_says(
    server: ServerProcess, side: int, kind: str
) -> None:
    """Small files in the service and large ones in processes that decode; other bundles answer as they did."""
    wide = np.full((side, side), 0x900, np.uint16)
    pictures = [Image.fromarray(wide), Image.fromarray((wide >> 4).astype(np.uint8))]
    answers = {}
    for model in ("sensor", "tags"):
        posted = [
            httpx.post(f"{server.url}/v1/models/{model}/classify", content=encoded(picture, kind), timeout=60)
            for picture in pictures
        ]
        answers[model] = [answer.json()["results"][0]["predictions"][0]["probability"] for answer in posted]
    assert answers["sensor"][0] == answers["sensor"][1] == answers["tags"][1]
    assert answers["tags"][0] < 0.02
    assert answers["tags"][1] > 0.5
    kept = [httpx.get(f"{server.url}/v1/models/{model}").json()["preprocessing"] for model in ("sensor", "tags")]
    assert (kept[0]["bits"], "bits" in kept[1]) == (12, False)
