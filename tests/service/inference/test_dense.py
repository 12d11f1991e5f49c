"""`?dense=1` as a client sees it, over a real graph of two convolutions without padding."""

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from models.contract import Dense, Pixels, Task, read_bundle
from service.api.problems import MEDIA_TYPE
from tests.support.bundles import SIDE, change_manifest, write_bundle
from tests.support.clients import ready_client
from tests.support.dense import STRIDE, TEMPERATURE, noise, windows, write_dense_bundle
from tests.support.pictures import RED, encoded, picture

PATH = "/v1/models/dense/classify"
LIMITS = {"max_dense_pixels": 40_000, "max_dense_predictions": 3_000, "max_dense_queue": 3}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A dense model, and colours, which takes images of one size."""
    folder = tmp_path_factory.mktemp("models")
    write_dense_bundle(folder)
    write_bundle(folder)
    with ready_client(folder, **LIMITS) as ready:
        yield ready


def png(pixels: Pixels) -> bytes:
    return encoded(Image.fromarray(pixels))


def ask(client: TestClient, body: bytes, query: str = "") -> dict[str, Any]:
    """The result of one image."""
    response = client.post(f"{PATH}?dense=1{query}", content=body)
    assert response.status_code == 200, response.text
    result: dict[str, Any] = response.json()["results"][0]
    return result


def every_class(result: dict[str, Any]) -> dict[str, float]:
    return {p["label"]: p["probability"] for p in result["predictions"]}


def test_a_grid_equals_sliding_the_network_over_the_image(client: TestClient) -> None:
    """Every part of the input's size, a stride apart, sent by itself: within 1e-4, height and width not confused."""
    pixels = noise(37, 50)
    grid = ask(client, png(pixels), "&top_k=3")["dense"]
    parts = windows(pixels)
    assert (grid["rows"], grid["columns"]) == (len(parts), len(parts[0])) == (11, 18)
    for row, line in enumerate(parts):
        answer = client.post(PATH, files=[("image", ("part.png", png(part))) for part in line]).json()
        for column, alone in enumerate(answer["results"]):
            cell = zip(grid["class_ids"][row][column], grid["probabilities"][row][column], strict=True)
            assert {grid["labels"][str(k)]: p for k, p in cell} == pytest.approx(every_class(alone), abs=1e-4)


def test_a_grid_says_what_its_cells_are_about(client: TestClient) -> None:
    """Sizes in pixels; by default the first class of each cell, and labels of those that occur."""
    result = ask(client, png(noise(SIDE + 1, 60)))
    grid = result["dense"]
    assert grid["image"] == {"height": SIDE + 1, "width": 60}
    assert grid["cell"] == {"height": SIDE, "width": SIDE}
    assert grid["stride"] == {"height": STRIDE, "width": STRIDE}
    assert grid["class_ids"][0][0] == [0]
    assert grid["class_ids"][0][-1] == [2]
    assert grid["labels"] == {"0": "red", "2": "blue"}
    assert np.shape(grid["probabilities"]) == np.shape(grid["class_ids"]) == (grid["rows"], grid["columns"], 1)
    assert sum(every_class(result).values()) == pytest.approx(1, abs=1e-5)


def test_an_image_of_the_inputs_size_has_one_cell(client: TestClient) -> None:
    """Which is the usual answer."""
    body = png(noise(SIDE, SIDE))
    usual = client.post(PATH, content=body).json()["results"][0]
    result = ask(client, body, "&top_k=3")
    assert result["predictions"] == usual["predictions"]
    assert result["dense"]["probabilities"][0][0] == pytest.approx(sorted(every_class(usual).values(), reverse=True))


def test_the_picture_is_turned_upright(client: TestClient) -> None:
    """Rows are rows of what a person sees."""
    exif = Image.Exif()
    exif[0x0112] = 6
    grid = ask(client, encoded(Image.fromarray(noise(20, 40)), exif=exif))["dense"]
    assert grid["image"] == {"height": 40, "width": 20}
    assert {tuple(row[0]) for row in grid["class_ids"]} == {(0,), (2,)}


def test_every_form_of_a_body_will_do(client: TestClient) -> None:
    """A form and JSON, several images of several sizes; a bad one fails alone."""
    bodies = [png(noise(20, 30)), b"junk", png(noise(30, 20))]
    form = client.post(f"{PATH}?dense=1", files=[("image", ("a", body)) for body in bodies])
    images = [base64.b64encode(body).decode() for body in bodies]
    assert form.json() == client.post(f"{PATH}?dense=true", json={"images": images}).json()
    results = form.json()["results"]
    assert [results[0]["dense"]["rows"], results[2]["dense"]["rows"]] == [3, 8]
    assert results[1]["error"]["type"] == "/problems/unsupported-format"


@pytest.mark.parametrize(
    ("size", "query", "slug", "detail"),
    [
        ((15, 40), "", "too-small", "the image is 15x40; for dense classification it has to be at least 16x16"),
        ((40, 15), "", "too-small", "the image is 40x15"),
        ((201, 200), "", "too-many-pixels", "40200 pixels; send at most 40000: the limit of dense classification"),
        (
            (200, 200),
            "",
            "too-many-cells",
            "the grid has 93x93 cells, 8649 predictions with top_k=1; the limit is 3000",
        ),
        ((100, 100), "&top_k=2", "too-many-cells", "the grid has 43x43 cells, 3698 predictions with top_k=2"),
        ((50, 50), "&top_k=4", "invalid-option", "top_k is at most 3"),
    ],
)
def test_limits_are_said(client: TestClient, size: tuple[int, int], query: str, slug: str, detail: str) -> None:
    """With what to change."""
    response = client.post(f"{PATH}?dense=1{query}", content=picture(RED, size))
    assert (response.status_code, response.headers["content-type"]) == (422, MEDIA_TYPE)
    assert response.json()["type"] == f"/problems/{slug}"
    assert detail in response.json()["detail"]


def test_pixels_are_counted_before_anything_is_decoded(client: TestClient) -> None:
    """The rest of a truncated file is not looked at."""
    response = client.post(f"{PATH}?dense=1", content=picture(RED, (4000, 4000))[:200])
    assert response.json()["type"] == "/problems/too-many-pixels"


def test_more_images_than_may_wait_are_refused(client: TestClient) -> None:
    """They could never be admitted."""
    response = client.post(f"{PATH}?dense=1", files=[("image", ("a", picture()))] * 4)
    assert (response.status_code, response.json()["type"]) == (413, "/problems/too-many-images")


def test_a_model_of_one_size_says_so(client: TestClient) -> None:
    """And its description too."""
    response = client.post("/v1/models/colours/classify?dense=1", content=picture())
    assert (response.status_code, response.json()["type"]) == (422, "/problems/not-dense")
    assert client.get("/v1/models/colours").json()["dense"] is None
    assert client.get("/v1/models/dense").json()["dense"] == {"stride": [2, 2], "window": [5, 5]}


@pytest.mark.parametrize("other", ["explain=heatmap", "coverage=0.9"])
def test_a_contradicting_query_is_refused(client: TestClient, other: str) -> None:
    """Whatever the order."""
    for query in (f"dense=1&{other}", f"{other}&dense=1"):
        response = client.post(f"{PATH}?{query}", content=picture())
        name = other.partition("=")[0]
        assert response.status_code == 422
        assert response.json()["detail"] == (
            f"A parameter is not valid. {name}: not possible together with dense=1; leave one of them out"
        )
    assert client.post(f"{PATH}?dense=0&{other}", content=picture()).status_code == 200


def test_a_deadline_counts_for_large_images_too(client: TestClient) -> None:
    """The next request is answered."""
    body = png(noise(50, 50))
    late = client.post(f"{PATH}?dense=1", content=body, headers={"X-Deadline-Ms": "1"})
    assert (late.status_code, late.json()["type"]) == (504, "/problems/deadline-exceeded")
    assert ask(client, body)["dense"]["rows"] == 18


def test_the_time_is_measured(client: TestClient) -> None:
    """In its own histogram; images count as all do."""
    timing = client.post(f"{PATH}?dense=1", content=png(noise(20, 20))).headers["server-timing"]
    assert {part.partition(";")[0].strip() for part in timing.split(",")} >= {"decode", "queue", "infer", "total"}
    assert 'snellen_dense_seconds_count{model="dense",version="1"}' in client.get("/metrics").text


def test_a_large_file_is_decoded_elsewhere(client: TestClient) -> None:
    """By a worker process, to the same pixels."""
    pixels = noise(100, 100)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "TIFF")  # a format that this process leaves to the workers
    assert ask(client, stream.getvalue()) == ask(client, png(pixels))


def test_a_manifest_with_another_temperature_is_refused_at_load(tmp_path: Path) -> None:
    """The cells would be less sure, or surer, than the usual answer."""
    folder = write_dense_bundle(tmp_path)
    calibration = read_bundle(folder).manifest.calibration.model_copy(update={"temperature": 3 * TEMPERATURE})
    change_manifest(folder, calibration=calibration.model_dump(mode="json"))
    with ready_client(tmp_path) as client:
        (model,) = client.get("/v1/models").json()["models"]
        assert "does not have the temperature of the manifest, 4.5" in model["reason"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"stride": (4, 2), "window": (5, 5)}, "make it (13, 13)"),
        ({"stride": (2, 2), "window": (4, 5)}, "make it (4, 5)"),
    ],
)
def test_a_manifest_that_promises_another_grid_is_refused_at_load(
    tmp_path: Path, changes: dict[str, tuple[int, int]], reason: str
) -> None:
    """The class map is measured."""
    write_dense_bundle(tmp_path, dense=Dense.model_validate(changes))
    with ready_client(tmp_path) as client:
        (model,) = client.get("/v1/models").json()["models"]
        assert model["state"] == "failed"
        assert reason in model["reason"]


def test_the_cells_of_a_multilabel_model_equal_the_network(tmp_path: Path) -> None:
    """Their probabilities are sigmoids, as those of the parts sent by themselves."""
    write_dense_bundle(tmp_path, task=Task.MULTILABEL)
    pixels = noise(20, 22)
    with ready_client(tmp_path) as client:
        grid = ask(client, png(pixels), "&top_k=3")["dense"]
        for row, line in enumerate(windows(pixels)):
            answer = client.post(PATH, files=[("image", ("part.png", png(part))) for part in line]).json()
            for column, alone in enumerate(answer["results"]):
                cell = zip(grid["class_ids"][row][column], grid["probabilities"][row][column], strict=True)
                labelled = {grid["labels"][str(class_id)]: probability for class_id, probability in cell}
                assert labelled == pytest.approx(every_class(alone), abs=1e-4)


def test_a_dense_result_says_whether_the_whole_picture_is_unfamiliar(tmp_path: Path) -> None:
    """By the energy of the logits of the whole picture."""
    write_dense_bundle(tmp_path, energy_threshold=-2)
    with ready_client(tmp_path) as client:
        red, black = (ask(client, picture(colour, (30, 20))) for colour in (RED, (0, 0, 0)))
    assert (red["unfamiliar"], black["unfamiliar"]) == (False, True)
    assert red["energy"] < -2 < black["energy"]


def test_an_image_of_any_size_is_not_compared_with_the_baseline(client: TestClient) -> None:
    """The baseline is of images at the input's size, of which another part and another size are seen."""

    def counted() -> float:
        lines = client.get("/metrics").text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith("snellen_confidence_images_total"))

    before = counted()
    ask(client, png(noise(37, 50)))
    assert counted() == before
    assert client.post(PATH, content=png(noise(37, 50))).status_code == 200
    assert counted() == before + 1
