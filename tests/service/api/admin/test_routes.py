"""The admin API over a real lifecycle, whose checks the test decides."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from models.contract import Bundle
from service.api.admin.routes import MAX_BODY_BYTES, create_admin_app
from service.repository.checker import Checked, CheckFailed
from tests.support.bundles import write_bundle
from tests.support.deployments import LoadableRegistry, profile, registry_of
from tests.support.engines import GatedEngine


class HeldChecker:
    """A checker that waits for `go`, and then passes a version or fails it with `reason`."""

    def __init__(self) -> None:
        self.go, self.checking = asyncio.Event(), asyncio.Event()
        self.go.set()
        self.reason = ""

    async def check(self, _bundle: Bundle, _on_warming: Callable[[], None]) -> Checked:
        self.checking.set()
        await self.go.wait()
        if self.reason:
            raise CheckFailed(self.reason)
        return Checked(profile(), 0)


@pytest.fixture
async def checker() -> HeldChecker:
    return HeldChecker()


@pytest.fixture
async def registry(tmp_path: Path, checker: HeldChecker) -> AsyncIterator[LoadableRegistry]:
    """A service with the versions 1 and 2 of colours, and the version 1 of shapes; it has not started."""
    for version in (1, 2):
        write_bundle(tmp_path, version=version)
    write_bundle(tmp_path, "shapes")
    registry = registry_of(tmp_path, GatedEngine(provider="gated", classes=3))
    registry.lifecycle._checker = checker
    yield registry
    await registry.close()


@pytest.fixture
async def client(registry: LoadableRegistry) -> AsyncIterator[httpx.AsyncClient]:
    app = create_admin_app(lambda: registry.lifecycle)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://admin") as client:
        yield client


async def states(client: httpx.AsyncClient) -> dict[str, str]:
    answer = await client.get("/models")
    return {each["name"]: each["state"] for each in answer.json()["versions"]}


async def test_all_versions_are_listed(registry: LoadableRegistry, client: httpx.AsyncClient, tmp_path: Path) -> None:
    """With their states, and which of them are default."""
    (tmp_path / "empty").mkdir()
    await registry.load()
    await client.post("/models/rescan")
    answer = (await client.get("/models")).json()
    assert [(each["name"], each["state"], each["default"]) for each in answer["versions"]] == [
        ("colours/1", "ready", False),
        ("colours/2", "ready", True),
        ("shapes/1", "ready", True),
    ]
    assert answer["versions"][0]["sha256"] == registry.lifecycle.state.versions["colours/1"].sha256
    assert answer["default_model"] == "colours"
    assert answer["defaults"]["colours"] == {"wanted": "latest", "version": 2, "stored": True, "reason": None}
    assert "empty" in answer["passed_over"]


async def test_it_answers_while_the_service_starts(registry: LoadableRegistry, client: httpx.AsyncClient) -> None:
    """Nothing is ready yet; a change waits for the end of the start."""
    assert set((await states(client)).values()) == {"warming"}
    asked = [
        asyncio.create_task(client.post("/models/unload", json={"name": "colours/1"})),
        asyncio.create_task(client.post("/models/default", json={"model": "shapes", "version": 1})),
    ]
    await asyncio.sleep(0.05)
    assert not any(task.done() for task in asked)
    await registry.load()
    assert [(await task).status_code for task in asked] == [200, 200]


async def test_a_version_is_unloaded_and_loaded_again(registry: LoadableRegistry, client: httpx.AsyncClient) -> None:
    """Answers come when the work has ended; meanwhile the states can be seen."""
    await registry.load()
    answer = await client.post("/models/unload", json={"name": "colours/1"})
    assert answer.status_code == 200
    assert [each["name"] for each in answer.json()["versions"]] == ["colours/2", "shapes/1"]
    checker = registry.lifecycle._checker
    assert isinstance(checker, HeldChecker)
    checker.go.clear()
    loading = asyncio.create_task(client.post("/models/load", json={"name": "colours/1"}))
    await checker.checking.wait()
    assert (await states(client))["colours/1"] == "verifying"
    checker.go.set()
    answer = await loading
    assert answer.status_code == 200
    assert (await states(client))["colours/1"] == "ready"


async def test_a_rollback_says_what_was_before(
    registry: LoadableRegistry, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    """And is stored in the folder."""
    await registry.load()
    answer = await client.post("/models/default", json={"model": "colours", "version": 1})
    expected = {"model": "colours", "wanted": "1", "version": 1, "before": "latest", "not_stored": None}
    assert answer.json() == expected
    assert (tmp_path / "colours" / "default").read_text() == "1\n"
    assert registry.find("colours").name == "colours/1"


async def test_a_choice_that_cannot_be_stored_says_so(
    registry: LoadableRegistry, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    """It lasts until the end of the service."""
    await registry.load()
    (tmp_path / "colours" / "default").mkdir()
    answer = (await client.post("/models/default", json={"model": "colours", "version": "1"})).json()
    assert "colours/default cannot be written" in answer["not_stored"]
    rule = (await client.get("/models")).json()["defaults"]["colours"]
    assert (rule["wanted"], rule["version"], rule["stored"]) == ("1", 1, False)


async def test_a_version_that_fails_is_a_conflict(
    registry: LoadableRegistry, client: httpx.AsyncClient, checker: HeldChecker, tmp_path: Path
) -> None:
    """With the reason; the others serve on. One whose files are still copied is a conflict too."""
    await registry.load()
    checker.reason = "red.png is off by 0.5"
    write_bundle(tmp_path, version=3)
    answer = await client.post("/models/load", json={"name": "colours/3"})
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/conflict")
    assert answer.json()["detail"] == "colours/3 failed and is not served: red.png is off by 0.5"
    assert registry.find("colours").name == "colours/2"
    (write_bundle(tmp_path, version=4) / "model.onnx").unlink()
    answer = await client.post("/models/load", json={"name": "colours"})
    assert answer.status_code == 409
    assert "colours/4 is discovered: waits for its files: model.onnx is missing" in answer.json()["detail"]
    assert answer.json()["detail"].endswith("; ready: colours/1, colours/2")


async def test_a_folder_that_cannot_be_read_is_a_conflict(
    registry: LoadableRegistry, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    """Nothing retires."""
    await registry.load()
    tmp_path.rename(tmp_path.with_name("elsewhere"))  # noqa: ASYNC240 - a moment of a test
    for path, body in (("load", {"name": "colours"}), ("rescan", {})):
        answer = await client.post(f"/models/{path}", json=body)
        assert (answer.status_code, "nothing was changed: there is no folder" in answer.text) == (409, True)
    assert len(await states(client)) == 3


REFUSALS: list[tuple[str, Any, int, str]] = [
    ("load", {"name": "colours/9"}, 404, "colours has no version '9'; it has 1, 2"),
    ("load", {"name": "nothing"}, 404, "there is no model 'nothing'; the models are colours, shapes"),
    ("load", {"name": "colours/"}, 422, "name: write a model, as in imagenet"),
    ("load", {"name": 7}, 422, "name: Input should be a valid string"),
    ("load", {"name": "a" * 200}, 422, "name: String should have at most 100 characters"),
    ("load", {}, 422, "name: Field required"),
    ("load", {"name": "colours", "force": True}, 422, "force: Extra inputs are not permitted"),
    ("load", ["colours"], 422, "the body: Input should be an object"),
    ("unload", {"name": "colours"}, 409, "colours is the default model and would have no version left"),
    ("unload", {"name": "colours/2"}, 409, "colours/2 is the default version of colours; make another one default"),
    ("unload", {"name": "colours/9"}, 404, "colours has no version '9'"),
    ("default", {"model": "colours", "version": 9}, 404, "colours has no version '9'"),
    ("default", {"model": "nothing", "version": 1}, 404, "there is no model 'nothing'"),
    ("default", {"model": "../colours", "version": 1}, 422, "model: write the name of a model, as in imagenet"),
    ("default", {"model": "colours", "version": "newest"}, 422, "version: write latest, or the number of a version"),
    ("default", {"model": "colours"}, 422, "version: Field required"),
    ("rescan", {"now": 1}, 422, "now: Extra inputs are not permitted"),
]


@pytest.mark.parametrize(("path", "body", "status", "detail"), REFUSALS)
async def test_a_refusal_is_a_problem_and_changes_nothing(
    registry: LoadableRegistry, client: httpx.AsyncClient, path: str, body: object, status: int, detail: str
) -> None:
    """It says what to change."""
    await registry.load()
    before = (await client.get("/models")).json()
    answer = await client.post(f"/models/{path}", json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert detail in answer.json()["detail"]
    after = (await client.get("/models")).json()
    assert {**after, "number": 0} == {**before, "number": 0}


async def test_a_version_that_is_not_ready_cannot_be_default(
    registry: LoadableRegistry, client: httpx.AsyncClient, checker: HeldChecker, tmp_path: Path
) -> None:
    """503, and the reason."""
    await registry.load()
    checker.reason = "red.png is off by 0.5"
    write_bundle(tmp_path, version=3)
    await client.post("/models/rescan")
    answer = await client.post("/models/default", json={"model": "colours", "version": 3})
    assert (answer.status_code, answer.json()["detail"]) == (503, "colours/3 is failed: red.png is off by 0.5")
    assert not (tmp_path / "colours" / "default").exists()


async def test_bodies_that_are_no_json_or_too_large_are_refused(
    registry: LoadableRegistry, client: httpx.AsyncClient
) -> None:
    """Before anything is done."""
    await registry.load()
    broken = await client.post("/models/load", content=b'{"name": ')
    assert (broken.status_code, broken.json()["detail"]) == (400, 'the body is no JSON; send {"name": ...}')
    large = await client.post("/models/load", content=json.dumps({"name": "a" * MAX_BODY_BYTES}).encode())
    assert (large.status_code, large.json()["type"]) == (413, "/problems/body-too-large")


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/v1/models", 404), ("GET", "/models/", 404), ("GET", "/models/load", 405)]
)
async def test_other_paths_name_those_that_there_are(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    """As problems too."""
    answer = await client.request(method, path)
    assert (answer.status_code, "POST /models/load" in answer.json()["detail"]) == (status, True)


async def test_work_goes_on_when_its_client_disconnects(
    registry: LoadableRegistry, client: httpx.AsyncClient, checker: HeldChecker, tmp_path: Path
) -> None:
    """Or when the server ends its request, which is answered with 503."""
    await registry.load()
    write_bundle(tmp_path, version=3)
    checker.go.clear()
    loading = asyncio.create_task(client.post("/models/load", json={"name": "colours/3"}))
    await checker.checking.wait()
    loading.cancel()
    answer = await loading
    assert (answer.status_code, "the service is shutting down" in answer.text) == (503, True)
    checker.go.set()
    await client.post("/models/rescan")  # one change at a time
    assert (await states(client))["colours/3"] == "ready"


async def test_a_body_that_does_not_arrive_is_408(registry: LoadableRegistry) -> None:
    """After the time limit, and the connection ends, since the rest of it is not read."""
    app, sent = create_admin_app(lambda: registry.lifecycle, body_timeout_s=0.1), list[Any]()

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(60)
        return {}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/models/load", "headers": [], "query_string": b""}
    await app(scope, receive, send)
    assert sent[0]["status"] == 408
    assert (b"connection", b"close") in sent[0]["headers"]
