"""API keys in front of the whole application."""

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette._utils import get_route_path
from starlette.testclient import TestClient
from starlette.types import Message

from service.access.api_keys import Scope, new_key
from service.access.key_file import KeyFileError, line_of
from service.api.auth import _route_path
from service.app import create_app
from service.settings import Settings
from tests.support.api_keys import bearer, write_keys
from tests.support.bundles import write_bundle
from tests.support.pictures import GREEN, picture

SCOPES = {"photos": "classify", "reader": "read", "scraper": "metrics", "operator": "admin", "all": ",".join(Scope)}
OPEN = ("/", "/page/page.js", "/docs", "/openapi.json", "/livez", "/readyz", "/problems/key-required")
CLOSED = {
    "/metrics": "metrics",
    "/v1/models": "read",
    "/v1/models/colours": "read",
    "/v1/models/colours/versions/1": "read",
}
CLASSIFY = ("/v1/classify", "/v1/models/colours/classify", "/v1/models/colours/versions/1/classify", "/v1/classify/")
ORIGIN = "https://shop.example"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_bundle(folder, "colours")
    write_bundle(folder, "plain")
    return folder


@pytest.fixture(scope="module")
def keys(models: Path) -> dict[str, str]:
    """A key for each scope; `narrow` may use one model, `old` has expired."""
    path = models / "keys"
    keys = write_keys(path, **SCOPES)
    both = frozenset({Scope.CLASSIFY, Scope.READ})
    keys["narrow"], narrow = new_key("narrow", both, models=frozenset({"plain", "absent"}))
    keys["old"], old = new_key("old", both, expires=datetime.now(UTC) - timedelta(hours=1))
    with path.open("a") as file:
        file.write(f"{line_of(narrow)}\n{line_of(old)}\n")
    return keys


@pytest.fixture(scope="module")
def client(models: Path, keys: dict[str, str]) -> Iterator[TestClient]:
    assert keys
    values = Settings(
        models=models, decode_threads=1, keys=models / "keys", default_model="colours", allow_origins=(ORIGIN,)
    )
    with TestClient(create_app(values), raise_server_exceptions=False) as client:
        await_ready(client)
        yield client


def await_ready(client: TestClient, prefix: str = "") -> None:
    while client.get(f"{prefix}/readyz").json()["detail"].startswith("loading"):
        time.sleep(0.01)


@pytest.mark.parametrize("path", OPEN)
def test_probes_and_pages_need_no_key(client: TestClient, path: str) -> None:
    """And a wrong one does not matter there; /readyz names no model."""
    assert client.get(path).status_code == 200
    assert client.get(path, headers=bearer("wrong")).status_code == 200
    assert client.get("/readyz").json() == {"ready": True, "detail": "ready", "models": []}


@pytest.mark.parametrize("path", [*CLOSED, *CLASSIFY, "/v2", "/nothing"])
def test_without_a_key_the_answer_is_401(client: TestClient, path: str) -> None:
    """A problem that says how to send a key, and the challenge of RFC 6750, whether the path exists or not."""
    answer = client.post(path, content=picture()) if "classify" in path else client.get(path)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="snellen"')
    problem = answer.json()
    assert problem["type"] == "/problems/key-required"
    assert problem["detail"] == "this service needs an API key; send it as Authorization: Bearer KEY, or in X-API-Key"
    assert problem["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize("name", SCOPES)
@pytest.mark.parametrize("path", [*CLOSED, *CLASSIFY])
def test_a_key_opens_what_its_scopes_name(client: TestClient, keys: dict[str, str], name: str, path: str) -> None:
    """Otherwise 403, which names the scope; in both headers."""
    scope = CLOSED.get(path, "classify")
    for headers in (bearer(keys[name]), {"X-API-Key": keys[name]}, bearer(keys[name]) | {"X-API-Key": keys[name]}):
        method = "POST" if path in CLASSIFY else "GET"
        answer = client.request(method, path, headers=headers, content=picture(GREEN) if path in CLASSIFY else None)
        if scope in SCOPES[name].split(","):
            assert answer.status_code == 200, answer.text
            continue
        assert answer.status_code == 403
        assert answer.json()["type"] == "/problems/not-permitted"
        assert answer.json()["detail"].startswith(f"this API key lacks the scope {scope};")
        challenge = f'Bearer realm="snellen", error="insufficient_scope", scope="{scope}"'
        assert answer.headers["www-authenticate"] == challenge


def test_a_path_that_does_not_exist_is_404_with_a_key(client: TestClient, keys: dict[str, str]) -> None:
    """Of any scope."""
    assert client.get("/nothing", headers=bearer(keys["scraper"])).status_code == 404


def test_a_key_for_some_models_opens_only_those(client: TestClient, keys: dict[str, str]) -> None:
    """The refusal is the same whether the other model exists or not, and lists what the key may use."""
    narrow = bearer(keys["narrow"])
    post = {"content": picture(), "headers": narrow}
    assert client.post("/v1/models/plain/classify", **post).status_code == 200  # type: ignore[arg-type]
    assert client.get("/v1/models/plain/versions/1", headers=narrow).status_code == 200
    for model in ("colours", "none"):
        for answer in (
            client.post(f"/v1/models/{model}/classify", **post),  # type: ignore[arg-type]
            client.get(f"/v1/models/{model}", headers=narrow),
        ):
            assert answer.status_code == 403
            assert answer.json()["detail"] == (
                f"this API key may not use the model '{model}'; it may use absent, plain"
            )
    default = client.post("/v1/classify", **post)  # type: ignore[arg-type]
    detail = "this API key may not use the default model; name in the path absent, plain"
    assert (default.status_code, default.json()["detail"]) == (403, detail)
    absent = client.get("/v1/models/absent", headers=narrow)
    assert (absent.status_code, absent.json()["detail"]) == (404, "there is no model of that name")
    listed = client.get("/v1/models", headers=narrow).json()
    assert [model["name"] for model in listed["models"]] == ["plain"]
    assert listed["default_model"] is None


def test_a_new_default_model_does_not_open_itself_to_a_request_on_its_way(models: Path, keys: dict[str, str]) -> None:
    """A key for some models gets the answer of the model that was the default when the key was checked."""
    app = create_app(Settings(models=models, decode_threads=1, keys=models / "keys", default_model="plain"))
    registry, answered = app.state.registry, list[Message]()

    async def receive() -> Message:
        if registry.default_model == "colours":
            await asyncio.Event().wait()  # the client stays connected
        registry.state = replace(registry.state, default_model="colours")
        return {"type": "http.request", "body": picture(), "more_body": False}

    async def send(message: Message) -> None:
        answered.append(message)

    with TestClient(app) as client:
        await_ready(client)
        scope = {"type": "http", "http_version": "1.1", "method": "POST", "path": "/v1/classify", "query_string": b""}
        headers = [(b"x-api-key", keys["narrow"].encode())]
        assert client.portal is not None
        client.portal.call(app, scope | {"headers": headers, "state": {}}, receive, send)
    assert answered[0]["status"] == 200
    assert json.loads(answered[1]["body"])["model"] == "plain"


@pytest.mark.parametrize(
    ("given", "detail"),
    [
        ([("Authorization", "Bearer wrong")], "the API key is not valid"),
        ([("Authorization", "Bearer ")], "the API key is not valid"),
        ([("X-API-Key", "")], "the API key is not valid"),
        ([("Authorization", "Bearer {all}"), ("X-API-Key", "{photos}")], "the request has two different API keys"),
        ([("X-API-Key", "{all}"), ("X-API-Key", "{photos}")], "the request has two different API keys"),
        ([("X-API-Key", "{old}")], "the API key has expired"),
    ],
)
def test_another_key_than_a_valid_one_is_401(
    client: TestClient, keys: dict[str, str], given: list[tuple[str, str]], detail: str
) -> None:
    """The challenge says that the key is the reason."""
    answer = client.get("/v1/models", headers=[(name, value.format(**keys)) for name, value in given])
    assert answer.status_code == 401
    assert answer.json()["detail"].startswith(detail)
    assert answer.headers["www-authenticate"] == 'Bearer realm="snellen", error="invalid_token"'


def test_an_unknown_id_and_a_wrong_secret_get_the_same_answer(client: TestClient, keys: dict[str, str]) -> None:
    """So that no request finds out which keys exist."""
    known, wrong = keys["all"], keys["photos"]
    answers = [
        client.get("/v1/models", headers=bearer(key) | {"X-Request-ID": "same"})
        for key in (known[:17] + wrong[17:], f"snl_{'0' * 12}_{known[17:]}", f"snl_{'0' * 12}_{'0' * 64}")
    ]
    assert len({(each.status_code, each.text, each.headers["www-authenticate"]) for each in answers}) == 1


def test_another_scheme_is_no_key(client: TestClient, keys: dict[str, str]) -> None:
    """A proxy may send its own credentials beside the key."""
    basic = {"Authorization": "Basic c2hvcDpzaG9w"}
    assert client.get("/v1/models", headers=basic).status_code == 401
    assert client.get("/v1/models", headers=basic | {"X-API-Key": keys["reader"]}).status_code == 200
    assert client.get("/v1/models", headers={"authorization": f"bearer   {keys['reader']}"}).status_code == 200


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["Authorization", "X-API-Key", "Cookie", "Proxy-Authorization"]),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=120),
    st.sampled_from(["", "Bearer ", "bearer ", "Basic ", "Bearer snl_", "snl_"]),
)
def test_no_other_string_gets_in(client: TestClient, keys: dict[str, str], name: str, text: str, before: str) -> None:
    """Whatever header it is in."""
    value = f"{before}{text}"
    if value.removeprefix("Bearer ") not in keys.values():
        assert client.get("/v1/models", headers={name: value}).status_code == 401
        assert client.get(f"/v1/models?api_key={keys['all']}", headers={name: value}).status_code == 401


def test_requests_are_counted_by_name_and_refusals_by_reason(client: TestClient, keys: dict[str, str]) -> None:
    """Names of the file are the only values: nothing that a client sends becomes a label."""
    client.get("/v1/models", headers=bearer(keys["reader"]))
    client.post("/v1/classify", headers=bearer(keys["reader"]))
    client.get("/v1/models")
    client.get("/v1/models", headers=bearer("no-key-at-all"))
    text = client.get("/metrics", headers=bearer(keys["scraper"])).text
    for line in (
        'snellen_key_requests_total{key="reader",outcome="allowed"}',
        'snellen_key_requests_total{key="reader",outcome="forbidden"}',
        'snellen_unauthenticated_requests_total{reason="missing"}',
        'snellen_unauthenticated_requests_total{reason="invalid"}',
    ):
        assert line in text
    assert "no-key-at-all" not in text
    assert not any(key[17:] in text for key in keys.values())


def test_a_preflight_needs_no_key(client: TestClient) -> None:
    """Browsers send none with it; the refusal of the request itself may be read by the page."""
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key"}
    preflight = client.options("/v1/classify", headers=asked)
    assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (200, ORIGIN)
    refused = client.post("/v1/classify", content=b"x", headers={"Origin": ORIGIN})
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, ORIGIN)


@pytest.mark.parametrize("how", ["mounted", "uvicorn --root-path", "--root-path"])
def test_a_prefix_changes_nothing(models: Path, keys: dict[str, str], how: str) -> None:
    """What needs a key needs one below the prefix too, also in an application whose lifespan is not run."""
    values = Settings(models=models, decode_threads=1, keys=models / "keys", default_model="colours")
    match how:
        case "mounted":
            parent = FastAPI()
            parent.mount("/vision", create_app(values))
            client = TestClient(parent)
        case "uvicorn --root-path":
            client = TestClient(create_app(values), root_path="/vision")
        case _:
            client = TestClient(create_app(values.model_copy(update={"root_path": "/vision"})))
    with client:
        await_ready(client, "/vision")
        refused = client.post("/vision/v1/classify", content=picture())
        assert (refused.status_code, refused.json()["type"]) == (401, "/vision/problems/key-required")
        assert client.get(refused.json()["type"]).status_code == 200
        assert client.get("/vision/").status_code == 200
        assert client.get("/vision/metrics", headers=bearer(keys["photos"])).status_code == 403
        answer = client.post("/vision/v1/classify", content=picture(GREEN), headers=bearer(keys["photos"]))
        assert answer.status_code == 200


@given(
    st.sampled_from(["", "/", "/vision", "/vision/", "/a/b", "//"]),
    st.sampled_from(["", "/", "//", "/vision", "/visionary", "/a/b", "/a"]),
    st.sampled_from(["", "/", "/v1/classify", "v1/classify", "/metrics"]),
)
def test_the_check_and_the_routes_see_the_same_path(root_path: str, before: str, rest: str) -> None:
    """Whatever prefix a server or an application around this one sets."""
    scope = {"path": before + rest, "root_path": root_path}
    assert _route_path(before + rest, root_path) == get_route_path(scope)


def test_a_service_that_is_not_ready_names_no_model(tmp_path: Path) -> None:
    """The reason is in GET /v1/models, which needs a key."""
    (write_bundle(tmp_path / "models") / "golden/blue.png").write_bytes(picture(GREEN))
    key = write_keys(tmp_path / "keys", reader="read")["reader"]
    with TestClient(create_app(Settings(models=tmp_path / "models", keys=tmp_path / "keys"))) as client:
        await_ready(client)
        probe = client.get("/readyz")
        assert (probe.status_code, "colours" in probe.text, probe.json()["detail"][:10]) == (503, False, "not ready;")
        (listed,) = client.get("/v1/models", headers=bearer(key)).json()["models"]
        assert "golden/blue.png differs" in listed["reason"]


def test_a_key_file_that_cannot_be_used_refuses_the_application(models: Path, tmp_path: Path) -> None:
    """It never starts without keys in place of them."""
    (tmp_path / "keys").write_text("rubbish\n")
    for path in (tmp_path / "keys", tmp_path / "none"):
        with pytest.raises(KeyFileError):
            create_app(Settings(models=models, keys=path))
    with pytest.raises(ValueError, match="the name of the key file is empty"):
        Settings.model_validate({"keys": ""})
