"""The paths of `classify` are answered before FastAPI, which documents them."""

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from service.api.v1.routes import PATHS, ClassifyMiddleware


class Recorder:
    """An ASGI application that records the scopes that it receives."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)


async def called(scope: Scope) -> tuple[list[Scope], list[Scope]]:
    """Return the scopes that the endpoint and the application behind the middleware received."""
    classify, app = Recorder(), Recorder()

    async def unused(*_: object) -> None:
        raise NotImplementedError

    await ClassifyMiddleware(app, classify)(scope, unused, unused)  # type: ignore[arg-type]
    return classify.scopes, app.scopes


def request(path: str, method: str = "POST", kind: str = "http") -> Scope:
    return {"type": kind, "method": method, "path": path, "headers": []}


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("/v1/classify", {}),
        ("/v1/classify/", {}),
        ("/v1/models/colours/classify", {"model": "colours"}),
        ("/v1/models/colours/classify/", {"model": "colours"}),
        ("/v1/models/colours/versions/2/classify", {"model": "colours", "version": "2"}),
    ],
)
async def test_a_post_to_a_path_of_classify_reaches_the_endpoint(path: str, parameters: dict[str, str]) -> None:
    """The scope has the parameters of the path, and the route for the metrics."""
    ((scope,), others) = await called(request(path))
    assert scope["path_params"] == parameters
    assert scope["route"].path in PATHS
    assert others == []


@pytest.mark.parametrize(
    "scope",
    [
        request("/v1/classify", "GET"),
        request("/v1/classify//"),
        request("/v2/classify/"),
        request("/v1/models/a/b/classify"),
        request("/v1/models"),
        {"type": "lifespan"},
    ],
    ids=["GET", "slashes", "v2", "deeper", "models", "lifespan"],
)
async def test_every_other_request_reaches_the_application(scope: Scope) -> None:
    """Other methods and paths, and the lifespan, are not the endpoint's."""
    assert await called(scope) == ([], [scope])


def test_all_paths_are_documented_with_their_parameters(client: TestClient) -> None:
    """The OpenAPI document has the options and the headers of each path, and the responses of every error."""
    paths = client.get("/openapi.json").json()["paths"]
    for path in PATHS:
        operation = paths[path]["post"]
        names = {parameter["name"] for parameter in operation["parameters"]}
        assert names >= {"top_k", "explain", "coverage", "dense", "X-Deadline-Ms", "X-Priority"}
        assert {"200", "400", "415", "422", "503", "504"} <= operation["responses"].keys()
        assert "multipart/form-data" in operation["requestBody"]["content"]


def test_a_wrong_method_names_the_right_one(client: TestClient) -> None:
    """The Allow header of a 405 holds POST."""
    assert client.delete("/v1/classify").headers["allow"] == "POST"


@pytest.mark.parametrize("path", ["/v1/models/", "/v1/models/colours/", "/v1/models/colours/versions/1/"])
def test_a_slash_at_the_end_of_a_path_of_models_is_ignored(client: TestClient, path: str) -> None:
    """The answer is that of the path without the slash, not a redirect."""
    answer = client.get(path, follow_redirects=False)
    assert answer.status_code == 200
    assert answer.json() == client.get(path[:-1]).json()


def test_a_slash_at_the_end_is_ignored_below_a_prefix(client: TestClient) -> None:
    """Also where the application is mounted in another one."""
    outer = Starlette(routes=[Mount("/vision", client.app)])
    answer = TestClient(outer).get("/vision/v1/models/", follow_redirects=False)
    assert answer.status_code == 200
