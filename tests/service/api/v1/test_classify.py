"""The v1 API as a client sees it, over real bundles and onnxruntime."""

import base64
import gzip
import io
import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from PIL import Image
from starlette.testclient import TestClient

from models.contract import Preprocessing, Task, preprocess
from service.api.problems import MEDIA_TYPE
from service.api.refusal_pacing import RefusalPacer
from tests.support.bundles import INPUT, infinite_logits_graph, write_bundle
from tests.support.clients import ready_client
from tests.support.pictures import BLUE, GREEN, RED, encoded, picture

PURE_RED, BLACK, WHITE = (255, 0, 0), (0, 0, 0), (255, 255, 255)


def files(*bodies: bytes) -> list[tuple[str, tuple[str, bytes]]]:
    return [("image", ("photo.png", body)) for body in bodies]


def labels(answer: object) -> list[str]:
    """First label of each result."""
    assert isinstance(answer, dict), answer
    return [result["predictions"][0]["label"] for result in answer["results"]]


def test_the_image_itself_is_a_request(client: TestClient) -> None:
    """Most probable class first, probabilities in descending order, summing to one."""
    response = client.post("/v1/classify", content=picture(RED))
    assert response.status_code == 200
    answer = response.json()
    predictions = answer["results"][0]["predictions"]
    assert (answer["model"], answer["version"]) == ("colours", "2")
    assert predictions[0] == {"class_id": 0, "label": "red", "probability": pytest.approx(0.9995, abs=1e-3)}
    assert sum(p["probability"] for p in predictions) == pytest.approx(1, abs=1e-5)
    assert [p["probability"] for p in predictions] == sorted((p["probability"] for p in predictions), reverse=True)


@pytest.mark.parametrize("image_format", ["PNG", "JPEG"])
@pytest.mark.parametrize("width", [96, 2400])
def test_a_padded_picture_is_answered_whole(tmp_path: Path, image_format: str, width: int) -> None:
    """Whoever decodes it, thread or process, pixels are those of the contract, and heatmap and picture line up."""
    letterbox = Preprocessing(resize="pad", pad_colour=(0, 5, 0))
    write_bundle(tmp_path, preprocessing=letterbox)
    wide = Image.new("RGB", (width, width // 3))
    wide.paste(PURE_RED, (width * 3 // 4, 0, width, width // 6))
    body = encoded(wide, image_format)
    with ready_client(tmp_path, deadline_s=60) as client, Image.open(io.BytesIO(body)) as image:
        answer = client.post("/v1/classify?explain=heatmap", content=body).json()["results"][0]
        pixels = preprocess(image, INPUT, letterbox)
    session = ort.InferenceSession(tmp_path / "colours/1/model.onnx", providers=["CPUExecutionProvider"])
    expected = session.run(["probabilities"], {"image": pixels[None]})[0][0]
    assert {each["class_id"]: each["probability"] for each in answer["predictions"]} == pytest.approx(
        dict(enumerate(expected.tolist())), abs=1e-6
    )
    values, region = np.array(answer["heatmap"]["values"]), answer["heatmap"]["region"]
    rows, columns = (values > 0.5).nonzero()
    across = region["left"] + (columns + 0.5) / values.shape[1] * (region["right"] - region["left"])
    down = region["top"] + (rows + 0.5) / values.shape[0] * (region["bottom"] - region["top"])
    assert (region["left"], region["right"]) == (0, 1)
    assert across.min() > 0.7
    assert (across.mean(), down.mean()) == (pytest.approx(7 / 8, abs=0.04), pytest.approx(1 / 4, abs=0.13))


def test_a_form_holds_several_images(client: TestClient) -> None:
    """One result for each, in order."""
    response = client.post("/v1/classify", files=files(picture(BLUE), picture(RED), picture(GREEN)))
    assert labels(response.json()) == ["blue", "red", "green"]


def test_json_holds_several_images(client: TestClient) -> None:
    """In base64."""
    images = [base64.b64encode(picture(colour)).decode() for colour in (GREEN, BLUE)]
    assert labels(client.post("/v1/classify", json={"images": images}).json()) == ["green", "blue"]


def test_a_compressed_body_is_a_request(client: TestClient) -> None:
    """An image, a form or JSON, compressed with gzip."""
    headers = {"Content-Encoding": "gzip"}
    image = client.post("/v1/classify", content=gzip.compress(picture(BLUE)), headers=headers)
    body = json.dumps({"images": [base64.b64encode(picture(RED)).decode()], "top_k": 1}).encode()
    headers["Content-Type"] = "application/json"
    in_json = client.post("/v1/classify", content=gzip.compress(body), headers=headers)
    assert labels(image.json()) + labels(in_json.json()) == ["blue", "red"]


def test_options_may_stand_in_the_body(client: TestClient) -> None:
    """As fields of the form or names of the JSON, beside options in the query."""
    image = base64.b64encode(picture(RED)).decode()
    for answer in (
        client.post("/v1/classify?coverage=0.9", files=files(picture(RED)), data={"top_k": "1"}),
        client.post("/v1/classify?coverage=0.9", json={"images": [image], "top_k": 1}),
    ):
        (result,) = answer.json()["results"]
        assert len(result["predictions"]) == 1
        assert "prediction_set" in result


def test_a_bad_image_among_good_ones_fails_alone(client: TestClient) -> None:
    """Its problem stands in its place."""
    results = client.post("/v1/classify", files=files(picture(RED), b"junk", b"", picture(BLUE))).json()["results"]
    assert [result.get("error", {}).get("type") for result in results] == [
        None,
        "/problems/unsupported-format",
        "/problems/empty-body",
        None,
    ]
    assert results[3]["predictions"][0]["label"] == "blue"


@pytest.mark.parametrize("size", [(40, 30), (300, 200), (900, 700), (1600, 1200)])
@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP"])
def test_wherever_an_image_is_decoded_the_answer_is_the_same(
    client: TestClient, size: tuple[int, int], image_format: str
) -> None:
    """In the event loop, by the thread that runs the network, in a thread or a process of its own."""
    photo = encoded(Image.effect_noise(size, 60).convert("RGB"), image_format)
    alone = client.post("/v1/classify", content=photo)
    together = client.post("/v1/classify", files=files(photo, picture()))
    assert alone.json()["results"][0] == together.json()["results"][0]
    stages = dict(part.split(";dur=") for part in alone.headers["server-timing"].split(", "))
    assert float(stages["decode"]) > 0
    assert sum(float(stages[stage]) for stage in ("decode", "queue", "infer")) <= float(stages["total"])


@pytest.mark.parametrize("frame", [b"\xff\xc0\0\x0b\x08\0\x0a\0\x0a\x01\x01\x11\0", b"\xff\xc0\0\2"])
def test_a_header_that_lies_about_its_size_is_found_out(client: TestClient, frame: bytes) -> None:
    """A first frame of 10x10 before that of a large picture: where to decode it was a guess, and its limits hold."""
    photo = picture(RED, (2000, 1000), "JPEG")
    response = client.post("/v1/classify", content=photo[:2] + frame + photo[2:])
    assert response.status_code == 422
    assert response.json()["type"] == "/problems/corrupt-image"


def test_model_and_version_can_be_named(client: TestClient) -> None:
    """Without a version the newest answers."""
    for path, version in [
        ("/v1/models/colours/classify", "2"),
        ("/v1/models/colours/versions/1/classify", "1"),
        ("/v1/models/plain/classify", "1"),
    ]:
        assert client.post(path, content=picture()).json()["version"] == version


def test_top_k_limits_the_classes(client: TestClient) -> None:
    """One class when one is asked for."""
    answer = client.post("/v1/classify?top_k=1", content=picture(GREEN)).json()
    assert [p["label"] for p in answer["results"][0]["predictions"]] == ["green"]


def test_a_heatmap_shows_where(client: TestClient) -> None:
    """Values from 0 to 1 on the graph's grid, over the part of the picture that was seen."""
    heatmap = client.post("/v1/classify?explain=heatmap", content=picture(RED, (60, 30))).json()["results"][0][
        "heatmap"
    ]
    assert heatmap["class_id"] == 0
    assert (len(heatmap["values"]), len(heatmap["values"][0])) == (16, 16)
    assert {value for row in heatmap["values"] for value in row} == {1.0}
    assert heatmap["region"] == {"left": 0.25, "top": 0.0, "right": 0.75, "bottom": 1.0}


def test_a_prediction_set_reaches_its_threshold(client: TestClient) -> None:
    """More coverage, more classes."""
    grey = picture((128, 120, 110))
    sizes = {}
    for coverage in ("0.5", "0.9"):
        found = client.post(f"/v1/classify?coverage={coverage}", content=grey).json()["results"][0]["prediction_set"]
        assert found["coverage"] == float(coverage)
        sizes[coverage] = [p["label"] for p in found["predictions"]]
    assert sizes == {"0.5": ["red"], "0.9": ["red", "green", "blue"]}


def test_times_and_request_id_are_on_every_answer(client: TestClient) -> None:
    """The client's id comes back, a strange one is replaced, failures included."""
    ours = client.post("/v1/classify", content=picture(), headers={"X-Request-ID": "abc-1"})
    assert ours.headers["x-request-id"] == "abc-1"
    names = [part.split(";")[0] for part in ours.headers["server-timing"].split(", ")]
    assert names == ["receive", "decode", "queue", "infer", "total"]
    odd = client.get("/nowhere", headers={"X-Request-ID": "a b\tc"})
    assert odd.headers["x-request-id"] == odd.json()["request_id"] != "a b\tc"
    assert "total;dur=" in odd.headers["server-timing"]


GZIP = {"Content-Encoding": "gzip"}
PROBLEMS: list[tuple[str, str, dict[str, object], int, str, str]] = [
    ("POST", "/v1/classify", {"content": b""}, 400, "empty-body", "send the bytes"),
    ("POST", "/v1/classify", {"content": b"junk"}, 415, "unsupported-format", "JPEG, PNG"),
    ("POST", "/v1/classify", {"content": picture()[:-30]}, 422, "corrupt-image", "whole file"),
    ("POST", "/v1/classify", {"content": picture(size=(2000, 1000))}, 422, "too-many-pixels", "2000x1000"),
    ("POST", "/v1/classify", {"content": b"x" * 200_001}, 413, "body-too-large", "200000 bytes"),
    (
        "POST",
        "/v1/classify",
        {"content": gzip.compress(bytes(200_001)), "headers": GZIP},
        413,
        "body-too-large",
        "gzip",
    ),
    ("POST", "/v1/classify", {"content": b"junk", "headers": GZIP}, 400, "malformed-body", "leave the header out"),
    ("POST", "/v1/classify", {"content": b"junk", "headers": {"Content-Encoding": "br"}}, 415, "", "with gzip"),
    ("POST", "/v1/classify", {"json": {"pictures": []}}, 400, "malformed-body", "images"),
    ("POST", "/v1/classify", {"json": {"images": ["%"]}}, 400, "malformed-body", "images.0 is not base64"),
    ("POST", "/v1/classify", {"files": files(*[b"x"] * 4)}, 413, "too-many-images", "more than 3"),
    (
        "POST",
        "/v1/classify",
        {"data": {"top_k": "1"}, "files": {"c": (None, b"d")}},
        400,
        "malformed-body",
        "the field 'c'",
    ),
    ("POST", "/v1/classify?top_k=4", {"content": picture()}, 422, "invalid-option", "at most 3"),
    ("POST", "/v1/classify?top_k=0", {"content": picture()}, 422, "", "top_k"),
    ("POST", "/v1/classify?top_k=1&top_k=2", {"content": picture()}, 422, "", "top_k: this option is there twice"),
    (
        "POST",
        "/v1/classify?top_k=1",
        {"json": {"images": ["aGk="], "top_k": 1}},
        422,
        "",
        "top_k: this option is there",
    ),
    ("POST", "/v1/classify", {"json": {"images": ["aGk="], "top_k": 0}}, 422, "", "top_k"),
    ("POST", "/v1/classify?topk=1", {"content": picture()}, 422, "", "topk"),
    ("POST", "/v1/classify?explain=why", {"content": picture()}, 422, "", "heatmap"),
    ("POST", "/v1/classify?coverage=0.7", {"content": picture()}, 422, "not-calibrated", "0.5, 0.9"),
    ("POST", "/v1/models/plain/classify?coverage=0.9", {"content": picture()}, 422, "not-calibrated", "none"),
    ("POST", "/v1/classify", {"content": picture(), "headers": {"X-Deadline-Ms": "soon"}}, 422, "", "Deadline"),
    (
        "POST",
        "/v1/classify",
        {"content": picture(), "headers": {"X-Priority": "urgent"}},
        422,
        "",
        "'interactive' or 'bulk'",
    ),
    ("POST", "/v1/models/nope/classify", {"content": picture()}, 404, "model-not-found", "colours, plain"),
    ("POST", "/v1/models/colours/versions/9/classify", {"content": picture()}, 404, "version-not-found", "1, 2"),
    ("GET", "/v1/models/nope", {}, 404, "model-not-found", "colours, plain"),
    ("GET", "/v1/models/colours/versions/x", {}, 404, "version-not-found", "1, 2"),
    ("GET", "/v1/classify", {}, 405, "", "use POST"),
    ("GET", "/nowhere", {}, 404, "", "/docs"),
    ("POST", "/v1/classify//", {"content": picture()}, 404, "", "/docs"),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "slug", "detail"), PROBLEMS)
def test_bad_input_gets_its_problem(
    repository: Path, method: str, path: str, body: dict[str, object], status: int, slug: str, detail: str
) -> None:
    """Status, type and a detail that says what to change; always the same media type."""
    limits = {"max_body_bytes": 200_000, "max_pixels": 1_000_000, "max_images": 3}
    with ready_client(repository, **limits) as client:
        response = client.request(method, path, **body)  # type: ignore[arg-type]
    problem = response.json()
    assert (response.status_code, response.headers["content-type"]) == (status, MEDIA_TYPE)
    assert (problem["type"], problem["status"]) == (f"/problems/{slug}" if slug else "about:blank", status)
    assert detail in problem["detail"]
    assert problem["request_id"] == response.headers["x-request-id"]


def test_a_passed_deadline_is_answered(tmp_path: Path) -> None:
    """And the model is free for the next request."""
    write_bundle(tmp_path, "slow", 1, matmuls=20)
    with ready_client(tmp_path, max_batch_size=1) as client:
        late = client.post("/v1/classify", content=picture(), headers={"X-Deadline-Ms": "1"})
        assert (late.status_code, late.json()["type"]) == (504, "/problems/deadline-exceeded")
        assert client.post("/v1/classify", content=picture()).status_code == 200


def test_an_enormous_deadline_is_the_services_own(client: TestClient) -> None:
    """However many digits it has."""
    headers = {"X-Deadline-Ms": "1" + "0" * 400}
    assert client.post("/v1/classify", content=picture(), headers=headers).status_code == 200


@pytest.mark.parametrize("priority", ["bulk", "Interactive"])
def test_both_priorities_are_answered(client: TestClient, priority: str) -> None:
    """With the same answer; an idle service makes no difference."""
    answer = client.post("/v1/classify", content=picture(BLUE), headers={"X-Priority": priority})
    assert labels(answer.json()) == ["blue"]


def test_a_large_answer_is_whole(repository: Path) -> None:
    """Shaped in a thread, the same as a small one."""
    with ready_client(repository, max_images=2000, max_queue=2000) as client:
        answer = client.post("/v1/classify?top_k=3", files=files(*[picture(BLUE)] * 2000)).json()
    assert labels(answer) == ["blue"] * 2000


def test_what_finds_no_place_is_refused_whole(tmp_path: Path) -> None:
    """With the time to come back; what was accepted is answered."""
    write_bundle(tmp_path, "slow", 1, matmuls=20)
    with ready_client(tmp_path, max_queue=2, max_batch_size=1) as client, ThreadPoolExecutor(1) as pool:
        accepted = pool.submit(client.post, "/v1/classify", content=picture())
        while 'snellen_pending_images{model="slow",version="1"} 1.0' not in client.get("/metrics").text:
            assert not accepted.done()
        refused = client.post("/v1/classify", files=files(*[picture()] * 2))
        assert (refused.status_code, refused.json()["type"]) == (503, "/problems/queue-full")
        assert int(refused.headers["retry-after"]) >= 1
        assert accepted.result().status_code == 200


def test_answers_and_refusals_keep_a_pace(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal may wait, and holds nothing of the request meanwhile; other errors are neither."""
    told: list[object] = []

    class Recorded(RefusalPacer):
        def answered(self) -> None:
            told.append("answered")

        async def refuse(self, deadline_s: float, *, over_share: bool = False) -> None:
            told.extend([deadline_s, over_share, sys.exc_info()[1]])

    monkeypatch.setattr("service.app.RefusalPacer", Recorded)
    small = picture()
    with ready_client(repository, max_inflight_bytes=len(small)) as client:
        bodies = {200: small, 503: small + bytes(1), 415: small[:-1].replace(b"PNG", b"GNP")}
        for status, body in bodies.items():
            assert client.post("/v1/classify", content=body, headers={"X-Deadline-Ms": "500"}).status_code == status
    assert told == ["answered", 0.5, False, None]


def test_refusals_that_wait_are_a_metric(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None of a burst, and the one after it until it is told."""
    monkeypatch.setattr("service.api.refusal_pacing._WAIT_S", 3.0)
    monkeypatch.setattr("service.api.refusal_pacing._PAID_PER_S", 0)
    body = picture()
    with ready_client(repository, max_inflight_bytes=len(body) - 1) as client, ThreadPoolExecutor(1) as pool:
        for _ in range(64):
            assert client.post("/v1/classify", content=body).status_code == 503
        assert "snellen_delayed_rejections 0.0" in client.get("/metrics").text
        last = pool.submit(client.post, "/v1/classify", content=body)
        while "snellen_delayed_rejections 1.0" not in client.get("/metrics").text:
            assert not last.done()
        assert last.result().status_code == 503
        assert "snellen_delayed_rejections 0.0" in client.get("/metrics").text


def test_more_images_than_places_can_never_be_accepted(repository: Path) -> None:
    """So the client is told to send less, not to come back."""
    with ready_client(repository, max_queue=2) as client:
        refused = client.post("/v1/classify", files=files(*[picture()] * 3))
        assert (refused.status_code, refused.json()["type"]) == (413, "/problems/too-many-images")
        assert client.post("/v1/classify", files=files(*[picture()] * 2)).status_code == 200


def test_an_unexpected_error_is_a_problem_too(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """No traceback leaves, the log and the client share the request id."""
    monkeypatch.setattr("service.api.v1.classify.needs_parsing", lambda *_: 1 / 0)
    response = client.post("/v1/classify", content=picture())
    assert (response.status_code, response.headers["content-type"]) == (500, MEDIA_TYPE)
    assert response.headers["x-request-id"] in response.json()["detail"]
    assert "ZeroDivision" not in response.text


def test_an_unfamiliar_image_is_marked(tmp_path: Path) -> None:
    """Where the bundle has a threshold, each result has its energy, with a heat map and in bulk too."""
    write_bundle(tmp_path, energy_threshold=-8)
    with ready_client(tmp_path) as client:
        results = client.post("/v1/classify", files=files(*map(picture, (PURE_RED, BLACK)))).json()["results"]
        mapped = client.post("/v1/classify?explain=heatmap", content=picture(PURE_RED), headers={"X-Priority": "bulk"})
    assert [(result["energy"], result["unfamiliar"]) for result in results] == [
        (pytest.approx(-np.log(np.exp(10) + 2), abs=1e-4), False),
        (pytest.approx(-np.log(3), abs=1e-4), True),
    ]
    assert mapped.json()["results"][0]["energy"] == results[0]["energy"]


def test_without_a_threshold_nothing_is_said_about_familiarity(client: TestClient) -> None:
    """The fields are left out, and the answer says that it is not calibrated."""
    answer = client.post("/v1/classify", content=picture(RED)).json()
    assert answer.keys() == {"model", "version", "calibrated", "results"}
    assert answer["calibrated"] is False
    assert answer["results"][0].keys() == {"predictions"}


def test_logits_without_a_finite_energy_fail_their_image(tmp_path: Path) -> None:
    """It is a failure of the engine, as NaN in the probabilities is; other images are answered."""
    write_bundle(tmp_path, graph=infinite_logits_graph(), energy_threshold=-8)
    with ready_client(tmp_path) as client:
        results = client.post("/v1/classify", files=files(picture(WHITE), picture(RED))).json()["results"]
        alone = client.post("/v1/classify", content=picture(WHITE))
    assert results[0]["error"]["type"] == "/problems/engine-failure"
    assert results[1]["predictions"][0]["label"] == "red"
    assert (alone.status_code, alone.json()["type"]) == (500, "/problems/engine-failure")


@pytest.fixture
def tags(tmp_path: Path) -> Iterator[TestClient]:
    """A multilabel model: red, green and blue are present where half of the channel is bright; green from 0.9 on."""
    write_bundle(tmp_path, "tags", task=Task.MULTILABEL, thresholds=(0.5, 0.9, 0.5))
    with ready_client(tmp_path, default_model="tags") as client:
        yield client


def test_any_number_of_classes_of_a_multilabel_model_is_present(tags: TestClient) -> None:
    """Each prediction has its probability, its threshold and whether it is reached; most probable first."""
    pictures = [picture(colour) for colour in ((255, 150, 0), BLACK, WHITE)]
    answer = tags.post("/v1/classify", files=files(*pictures)).json()
    present = [[p["label"] for p in result["predictions"] if p["present"]] for result in answer["results"]]
    assert present == [["red"], [], ["red", "green", "blue"]]
    first = answer["results"][0]["predictions"]
    sigmoid = 1 / (1 + np.exp(-np.array([5, 150 / 25.5 - 5, -5])))
    assert [p["probability"] for p in first] == pytest.approx(sigmoid.tolist(), abs=1e-3)
    assert [(p["label"], p["threshold"]) for p in first] == [("red", 0.5), ("green", 0.9), ("blue", 0.5)]
    assert answer["results"][0].keys() == {"predictions"}


def test_a_multilabel_model_takes_top_k_and_heat_maps(tags: TestClient) -> None:
    """They mean what they mean for other models."""
    result = tags.post("/v1/classify?top_k=2&explain=heatmap", content=picture(BLUE)).json()["results"][0]
    assert [p["label"] for p in result["predictions"]][:1] == ["blue"]
    assert len(result["predictions"]) == 2
    assert result["heatmap"]["class_id"] == 2


def test_a_multilabel_model_refuses_coverage(tags: TestClient) -> None:
    """The problem says why there are no prediction sets."""
    response = tags.post("/v1/classify?coverage=0.9", content=picture(BLUE))
    assert (response.status_code, response.json()["type"]) == (422, "/problems/invalid-option")
    assert "do not sum to 1" in response.json()["detail"]
