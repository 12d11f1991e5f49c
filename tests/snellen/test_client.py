"""The client against a running service, and through a proxy that refuses or drops requests."""

import asyncio
import io
import json
import pickle
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any, get_type_hints

import httpx2 as httpx
import numpy as np
import pytest
from PIL import Image

from models.contract import Task
from service import errors
from service.api.problems import PROBLEM_TYPES
from snellen import client as module
from snellen.client import AsyncClient, Classification, Client, Options, Problem, Retries, Unreachable
from tests.conftest import ROOT
from tests.support.bundles import write_bundle
from tests.support.flaky_proxy import CLOSE, Refusal, flaky
from tests.support.pictures import BLUE, GREEN, RED, picture
from tests.support.server import ServerProcess, running

QUICK = Retries(attempts=4, first_wait_s=0.01)
PROBLEM = b'{"type":"/problems/queue-full","title":"The service is at its limit","status":503,"detail":"later"}'
ANSWER = b'{"model": "colours", "version": "1", "calibrated": true, "results": [%b]}'
RESULT = b'{"predictions": [{"class_id": 0, "label": "red", "probability": 1}]}'
BUSY = Refusal(503, {"Content-Type": "application/problem+json"}, PROBLEM)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Models: colours (the default, two versions), familiar with an energy threshold, tags of the task multilabel."""
    models = tmp_path_factory.mktemp("models")
    write_bundle(models, "colours", 1)
    write_bundle(models, "colours", 2)
    write_bundle(models, "familiar", energy_threshold=-8)
    write_bundle(models, "tags", task=Task.MULTILABEL, thresholds=(0.5, 0.9, 0.5))
    with running(models, "--default-model", "colours") as server:
        yield server


@pytest.fixture
def client(service: ServerProcess) -> Iterator[Client]:
    with Client(service.url, retries=QUICK) as opened:
        yield opened


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with 12 pictures in two folders, a damaged one, a hidden one and a text."""
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    for number in range(12):
        place = folder if number % 2 else folder / "more"
        (place / f"{number}.PNG").write_bytes(picture((RED, GREEN, BLUE)[number % 3]))
    (folder / "damaged.jpg").write_bytes(picture(image_format="JPEG")[:100])
    (folder / "._0.png").write_bytes(b"of macOS")
    (folder / "notes.txt").write_text("no picture")
    return folder


def test_every_kind_of_image_is_classified(client: Client, tmp_path: Path) -> None:
    """A path, as text too, bytes, an opened file, an image of Pillow."""
    path = tmp_path / "green.png"
    path.write_bytes(picture(GREEN))
    with path.open("rb") as opened:
        sources: list[Any] = [
            path,
            str(path),
            path.read_bytes(),
            memoryview(path.read_bytes()),
            opened,
            Image.open(path),
        ]
        assert {client.classify(source).best.label for source in sources} == {"green"}
    for mode in ("L", "P", "RGBA", "CMYK", "HSV", "YCbCr"):
        assert client.classify(Image.new("RGB", (20, 20), GREEN).convert(mode)).best.label


def test_an_image_of_pillow_is_turned_as_its_file_is(client: Client) -> None:
    """Pillow's pixels are as in the file; the orientation goes with them."""
    image = Image.new("RGB", (32, 16), RED)
    image.paste(BLUE, (16, 0, 32, 16))
    exif = Image.Exif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    image.save(stream, "PNG", exif=exif)
    of_file = client.classify(stream.getvalue(), explain="heatmap")
    assert client.classify(Image.open(stream), explain="heatmap").heatmap == of_file.heatmap


def test_the_answer_has_all_fields(client: Client) -> None:
    """With the version that answered, the request's id and the stage times."""
    answer = client.classify(picture(RED), model="colours", version=1, top_k=2, coverage=0.5, explain="heatmap")
    assert (answer.model, answer.version, answer.calibrated) == ("colours", "1", False)
    assert (len(answer.predictions), answer.best.label) == (2, "red")
    assert answer.prediction_set is not None
    assert answer.prediction_set.coverage == 0.5
    assert answer.heatmap is not None
    assert len(answer.request_id or "") == 32
    assert answer.timing_ms.keys() >= {"decode", "infer", "total"}
    assert client.classify(picture((0, 0, 0)), model="familiar", priority="bulk", deadline_ms=9000).unfamiliar is True
    assert client.classify(picture(RED), model="tags").best.present is True


def test_several_images_are_answered_in_order(client: Client) -> None:
    """A refused one has its problem in its place, also where it is the only one."""
    first, second, third = client.classify_many([picture(RED), b"rubbish", picture(BLUE)], top_k=1)
    assert isinstance(first, Classification)
    assert isinstance(third, Classification)
    assert (first.best.label, third.best.label) == ("red", "blue")
    assert isinstance(second, Problem)
    assert (second.status, second.type, second.is_about_the_image) == (415, "/problems/unsupported-format", True)
    assert second.request_id == first.request_id
    (alone,) = client.classify_many([b"rubbish"])
    assert isinstance(alone, Problem)
    with pytest.raises(Problem, match="no model 'none'"):
        client.classify_many([picture()], model="none")
    with pytest.raises(ValueError, match="no image"):
        client.classify_many([])


def test_a_refusal_is_an_exception_with_all_parts(client: Client) -> None:
    """It can be sent to another process, as pools do."""
    with pytest.raises(Problem) as caught:
        client.classify(picture(image_format="JPEG")[:200])
    problem = caught.value
    assert (problem.status, problem.type) == (422, "/problems/corrupt-image")
    assert problem.title == "The image cannot be decoded"
    assert str(problem) == f"422 {problem.title}: {problem.detail} (request {problem.request_id})"
    again = pickle.loads(pickle.dumps(problem))
    assert (again.detail, again.request_id) == (problem.detail, problem.request_id)


@pytest.mark.parametrize(
    ("image", "options", "message"),
    [
        ("https://example.org/cat.jpg", {}, "fetch the image"),
        ("data:image/png;base64,AAAA", {}, "fetch the image"),
        (io.StringIO("text"), {}, "binary mode"),
        (np.zeros((4, 4, 3), np.uint8), {}, "PIL.Image.fromarray"),
        (b"x", {"version": "1"}, "name the model"),
        (b"x", {"topk": 1}, "unexpected keyword argument 'topk'"),
    ],
)
def test_a_mistake_is_told_before_anything_is_sent(
    client: Client, image: Any, options: dict[str, Any], message: str
) -> None:
    """In a sentence that says what to pass instead."""
    with pytest.raises((TypeError, ValueError), match=message):
        client.classify(image, **options)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"url": "localhost:8000"}, "begin with http://"),
        ({"api_key": "secret\n"}, "copied with a line end"),
    ],
)
def test_a_mistaken_setting_is_refused(arguments: dict[str, Any], message: str) -> None:
    """The key is not repeated."""
    with pytest.raises(ValueError, match=message) as caught:
        Client(**arguments)
    assert "secret" not in str(caught.value)
    with pytest.raises(ValueError, match="at least 1"):
        Retries(attempts=0)


def test_models_and_readiness(client: Client) -> None:
    """All versions with their state, and one with all its properties."""
    assert client.models().default_model == "colours"
    assert {(each.name, each.version) for each in client.models().models} >= {("colours", "1"), ("colours", "2")}
    detail = client.model("colours", 1)
    assert (detail.labels, detail.version, detail.task) == (["red", "green", "blue"], "1", "single")
    assert client.ready()
    assert client.ready().detail.startswith("colours/2 answers")


def test_a_service_that_loads_is_waited_for(tmp_path: Path) -> None:
    """It is not ready first, and answers 503 with Retry-After."""
    write_bundle(tmp_path)
    with running(tmp_path, wait=False) as server, Client(server.url, retries=Retries(attempts=20)) as client:
        assert client.classify(picture(GREEN)).best.label == "green"


def test_a_service_that_is_not_ready_is_no_exception(service: ServerProcess) -> None:
    """`ready()` asks once, and is false."""
    state = {"ready": False, "detail": "loading", "models": []}
    refusals = [Refusal(503, {}, json.dumps(state).encode()), Refusal(503, {}, b"<h1>no backend</h1>")]
    with flaky(service.url, refusals) as proxy, Client(proxy.url) as client:
        assert not client.ready()
        with pytest.raises(Problem, match="no backend"):
            client.ready()
    assert len(proxy.times) == 2


def test_an_overloaded_service_answers_all_files_in_the_end(tmp_path: Path) -> None:
    """It holds two images at a time and refuses the others with 503; the client sends them again."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(8):
        (photos / f"{number}.png").write_bytes(picture(GREEN))
    write_bundle(tmp_path / "models", matmuls=1)
    patient = Retries(attempts=100, first_wait_s=0.05, longest_wait_s=5)
    with running(tmp_path / "models", "--max-queue", "2") as server, Client(server.url, retries=patient) as client:
        results = list(client.classify_folder(photos, concurrency=8))
        assert [each.error for each in results] == [None] * 8
        assert 'status="503"' in httpx.get(f"{server.url}/metrics").text


def test_the_service_may_close_idle_connections(tmp_path: Path) -> None:
    """The next request opens another one."""
    write_bundle(tmp_path)
    with running(tmp_path, "--keep-alive-s", "1") as server, Client(server.url, retries=QUICK) as client:
        for wait_s in (0.95, 1.0, 1.05):
            assert client.classify(picture(GREEN)).best.label == "green"
            time.sleep(wait_s)


@pytest.mark.parametrize("refusals", [[BUSY, BUSY], [CLOSE, BUSY], [CLOSE] * 3, [Refusal(429)], [Refusal(502)]])
def test_a_request_is_sent_again(service: ServerProcess, refusals: list[Refusal]) -> None:
    """After 429, 502, 503, and after a connection that was closed without an answer; by both clients."""
    with flaky(service.url, refusals) as proxy, Client(proxy.url, retries=QUICK) as client:
        assert client.classify(picture(BLUE)).best.label == "blue"
    assert len(proxy.times) == len(refusals) + 1

    async def ask(url: str) -> Classification:
        async with AsyncClient(url, retries=QUICK) as client:
            return await client.classify(picture(BLUE))

    with flaky(service.url, refusals) as proxy:
        assert asyncio.run(ask(proxy.url)).best.label == "blue"
    assert len(proxy.times) == len(refusals) + 1


@pytest.mark.parametrize("status", [400, 401, 404, 408, 413, 422, 500, 504])
def test_another_refusal_is_final(service: ServerProcess, status: int) -> None:
    """Nothing but the request itself would change it."""
    with flaky(service.url, [Refusal(status)]) as proxy, Client(proxy.url, retries=QUICK) as client:
        with pytest.raises(Problem) as caught:
            client.classify(picture())
        assert (caught.value.status, len(proxy.times)) == (status, 1)


def test_the_status_line_says_whether_a_request_is_sent_again(service: ServerProcess) -> None:
    """And not the status inside the problem document."""
    with flaky(service.url, [Refusal(400, {}, PROBLEM)]) as proxy, Client(proxy.url, retries=QUICK) as client:
        with pytest.raises(Problem, match=r"^400 The service is at its limit: later$"):
            client.classify(picture())
        assert len(proxy.times) == 1


def test_times_that_are_no_numbers_are_left_out(service: ServerProcess) -> None:
    """A proxy may add times of its own to Server-Timing, or damage them."""
    answer = Refusal(200, {"Server-Timing": "cache;dur=., proxy;dur=1.5"}, ANSWER % RESULT)
    with flaky(service.url, [answer]) as proxy, Client(proxy.url) as client:
        assert client.classify(picture()).timing_ms == {"proxy": 1.5}


def test_retry_after_is_honoured(service: ServerProcess) -> None:
    """In seconds. A time beyond the limit is not waited, and is told instead."""
    second = Refusal(503, {"Retry-After": "1"}, PROBLEM)
    with flaky(service.url, [second]) as proxy, Client(proxy.url, retries=QUICK) as client:
        client.classify(picture())
        assert proxy.times[1] - proxy.times[0] >= 1.0
    with flaky(service.url, [Refusal(503, {"Retry-After": "3600"}, PROBLEM)]) as proxy, Client(proxy.url) as client:
        with pytest.raises(Problem) as caught:
            client.classify(picture())
        assert (caught.value.retry_after_s, caught.value.detail, len(proxy.times)) == (3600, "later", 1)


def test_waits_double_up_to_a_limit() -> None:
    """Shortened by up to a half at random; the last attempt is not waited for."""
    retries = Retries(attempts=9, first_wait_s=1, longest_wait_s=10)
    busy = Problem(503, "about:blank", "busy", "later")
    for attempt, longest in enumerate((1, 2, 4, 8, 10, 10), 1):
        waits = [retries.wait_s(attempt, busy) or 0 for _ in range(50)]
        assert longest / 2 <= min(waits) < max(waits) <= longest
    assert retries.wait_s(9, busy) is None
    asked = Problem(429, "about:blank", "busy", "later", retry_after_s=4)
    assert all(4 <= (retries.wait_s(1, asked) or 0) <= 5 for _ in range(50))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("3", 3),
        ("0.5", 0.5),
        ("-3", 0),
        ("nan", None),
        ("soon", None),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0),
        ("Sun, 06 Nov 99999999999999999999 08:49:37 GMT", None),
    ],
)
def test_retry_after_is_read(header: str | None, seconds: float | None) -> None:
    """Seconds or a date; anything else does not count."""
    assert module._retry_after_s(header) == seconds


def test_a_date_in_retry_after_is_a_time_from_now() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert module._retry_after_s(later) == pytest.approx(30, abs=2)


def test_where_nothing_answers_the_address_is_named(service: ServerProcess) -> None:
    """A refused connection, one that is always closed, and an answer that takes too long, which is not asked again."""
    with flaky(service.url, []) as proxy:
        pass
    with (
        Client(proxy.url, retries=QUICK) as client,
        pytest.raises(Unreachable, match=f"nothing answers at {proxy.url}"),
    ):
        client.classify(picture())
    with flaky(service.url, [CLOSE] * 9) as proxy, Client(proxy.url, retries=QUICK) as client:
        with pytest.raises(Unreachable, match=r"connection .* failed"):
            client.classify(picture())
        assert len(proxy.times) == 4
    with flaky(service.url, slow_s=1) as proxy, Client(proxy.url, timeout_s=0.2) as client:
        with pytest.raises(Unreachable, match=r"within 0\.2 s; raise timeout_s"):
            client.classify(picture())
        assert len(proxy.times) == 1


@pytest.mark.parametrize(
    ("foreign", "message"),
    [
        (Refusal(200, {}, b"<html>Please log in</html>"), "Please log in"),
        (Refusal(308, {"Location": "https://other.example/"}), "use that address"),
        (Refusal(403, {}, b"Forbidden by the proxy"), "Forbidden by the proxy"),
        (Refusal(403, {"Content-Type": "text/html; charset=hex"}, b"Forbidden"), "Forbidden"),
        (Refusal(403, {"Content-Type": "text/html; charset=undefined"}, b"\xffno"), "no"),
        (Refusal(500, {}, b"\x1b[2Jred"), r"\\x1b\[2Jred"),
        (Refusal(308, {"Location": f"https://other.example/{'a' * 3000}"}), r"/a{1,200}; use that address"),
        (Refusal(200, {}, ANSWER % b"%b, %b" % (RESULT, RESULT)), "as the service does"),
        (Refusal(200, {}, ANSWER % b""), "as the service does"),
    ],
)
def test_an_answer_of_something_else_is_named(service: ServerProcess, foreign: Refusal, message: str) -> None:
    """Such as a login page of a proxy."""
    with flaky(service.url, [foreign]) as proxy, Client(proxy.url) as client:
        with pytest.raises(Problem, match=message) as caught:
            client.classify(picture())
        assert (caught.value.status, caught.value.type) == (foreign.status, "about:blank")


def test_the_key_is_sent_and_not_shown(service: ServerProcess) -> None:
    """As a bearer token, and below a prefix of a proxy too."""
    with flaky(service.url, [Refusal(401)]) as proxy, Client(f"{proxy.url}/vision", api_key="secret") as client:
        with pytest.raises(Problem):
            client.models()
        assert proxy.headers[0]["authorization" if "authorization" in proxy.headers[0] else "Authorization"] == (
            "Bearer secret"
        )
        assert proxy.paths == ["/vision/v1/models"]
        assert "secret" not in repr(client)


def test_a_folder_is_classified(client: Client, photos: Path) -> None:
    """Images in it and below it; a refused one has its error."""
    results = {str(each.path.relative_to(photos)): each for each in client.classify_folder(photos, top_k=1)}
    assert len(results) == 13
    damaged = results.pop("damaged.jpg").error
    assert isinstance(damaged, Problem)
    assert damaged.type == "/problems/corrupt-image"
    labels = {name: each.classification.best.label for name, each in results.items() if each.classification}
    assert labels == {name: ("red", "green", "blue")[int(Path(name).stem) % 3] for name in results}


def test_a_folder_is_classified_by_asyncio(service: ServerProcess, photos: Path) -> None:
    """As by the other client, and with few requests at a time."""

    async def ask(url: str) -> list[str]:
        async with AsyncClient(url) as client:
            assert await client.ready()
            assert (await client.models()).default_model == (await client.model("colours")).name
            several = await client.classify_many([picture(RED), photos / "1.PNG"])
            assert [isinstance(each, Classification) for each in several] == [True, True]
            results = [each async for each in client.classify_folder(photos, concurrency=3)]
            return [each.classification.best.label for each in results if each.classification]

    with flaky(service.url, slow_s=0.05) as proxy:
        labels = asyncio.run(ask(proxy.url))
        assert sorted(labels) == ["blue"] * 4 + ["green"] * 4 + ["red"] * 4
        assert proxy.most_at_once == 3


def test_files_are_read_as_results_are_taken(service: ServerProcess, photos: Path) -> None:
    """So that a large folder takes the memory of a few images; a loop that ends early sends no more."""
    with flaky(service.url, slow_s=0.05) as proxy, Client(proxy.url) as client:
        results = client.classify_folder(photos, concurrency=4)
        next(results)
        time.sleep(0.5)
        assert len(proxy.times) == 4
        results.close()
        time.sleep(0.2)
        assert (len(proxy.times), proxy.most_at_once) == (4, 4)


def test_a_refusal_of_all_files_ends_the_folder(client: Client, photos: Path) -> None:
    """An unknown model would be refused for each of them."""
    with pytest.raises(Problem, match="no model 'none'"):
        list(client.classify_folder(photos, model="none"))
    with pytest.raises(NotADirectoryError, match="is not a folder"):
        client.classify_folder(photos / "1.PNG")
    with pytest.raises(ValueError, match="at least 1"):
        client.classify_folder(photos, concurrency=0)


def test_a_file_that_cannot_be_read_has_its_error(client: Client, photos: Path) -> None:
    """The others are classified."""
    (photos / "gone.png").symlink_to(photos / "nowhere.png")
    errors_found = [each for each in client.classify_folder(photos) if isinstance(each.error, OSError)]
    assert [each.path.name for each in errors_found] == ["gone.png"]


def test_the_client_needs_nothing_of_the_service() -> None:
    """It is imported without numpy, onnxruntime and Pillow."""
    unneeded = ("numpy", "onnxruntime", "fastapi", "service", "models", "training", "PIL")
    code = f"import snellen.client, sys; sys.exit(repr(found) if (found := sys.modules.keys() & {unneeded!r}) else 0)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_types_have_the_fields_of_the_document() -> None:
    """Of the OpenAPI document, so that nothing that the service answers is missing."""
    schemas = json.loads((ROOT / "tests/service/api/openapi.json").read_text())["components"]["schemas"]
    ours = {name: getattr(module, name, None) for name in schemas} | {
        "Problem": module._ProblemBody,
        "Result": module._Result,
        "ClassifyResponse": module._ClassifyResponse,
        "FailedResult": module._Failed,
    }
    compared = {name: kind for name, kind in ours.items() if kind is not None}
    assert len(compared) == 15
    for name, kind in compared.items():
        assert kind.model_fields.keys() == schemas[name]["properties"].keys(), name


def test_options_are_those_of_the_document() -> None:
    """Query and headers; deadline and priority have the names of Python."""
    operation = json.loads((ROOT / "tests/service/api/openapi.json").read_text())["paths"]["/v1/classify"]["post"]
    names = {each["name"].removeprefix("X-").replace("-", "_").lower() for each in operation["parameters"]}
    assert get_type_hints(Options).keys() == names | {"model", "version"}


def test_problems_about_the_image_are_those_of_the_service() -> None:
    """The errors of images, and of a body that holds one image."""
    kinds: set[type[errors.ServiceError]] = {errors.EmptyBody, errors.BodyTooLarge, *errors.ImageError.__subclasses__()}
    assert {PROBLEM_TYPES[kind].slug for kind in kinds} == module._ABOUT_THE_IMAGE


def test_a_refused_image_is_known_below_the_prefix_of_a_proxy(tmp_path: Path, photos: Path) -> None:
    """Where the type of a problem begins with the prefix: a damaged file does not end the folder."""
    models = tmp_path / "models"
    write_bundle(models)
    with running(models, "--root-path", "/vision") as server, Client(f"{server.url}/vision", retries=QUICK) as client:
        (refused,) = client.classify_many([b"rubbish"])
        assert isinstance(refused, Problem)
        assert (refused.type, refused.is_about_the_image) == ("/vision/problems/unsupported-format", True)
        results = list(client.classify_folder(photos))
    assert [result.path.name for result in results if result.error] == ["damaged.jpg"]
    assert len(results) == 13
