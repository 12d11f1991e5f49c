"""Which path needs what: as the routes see the path, and never less."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.routing import Match, Mount, Route

from service.access.api_keys import Scope
from service.api.permissions import Need, needed
from service.api.v1.routes import PATHS
from service.app import create_app
from service.settings import Settings
from tests.support.bundles import write_bundle

OPEN_ROUTES = {"/", "/docs", "/openapi.json", "/livez", "/readyz", "/problems/{slug}", "/page", "/static-offline-docs"}


@pytest.mark.parametrize(
    ("path", "need"),
    [
        *((path, None) for path in ("/", "/page/page.js", "/docs", "/openapi.json", "/static-offline-docs/a.js")),
        *((path, None) for path in ("/livez", "/readyz", "/problems/key-required")),
        ("/metrics", Need(Scope.METRICS)),
        ("/v1/models", Need(Scope.READ)),
        ("/v1/models/", Need(Scope.READ)),
        ("/v1/models/imagenet", Need(Scope.READ, "imagenet")),
        ("/v1/models/imagenet/versions/1", Need(Scope.READ, "imagenet")),
        ("/v1/classify", Need(Scope.CLASSIFY, default_model=True)),
        ("/v1/classify/", Need(Scope.CLASSIFY, default_model=True)),
        ("/v1/classify\n", Need(Scope.CLASSIFY, default_model=True)),
        ("/v1/models/imagenet/classify", Need(Scope.CLASSIFY, "imagenet")),
        ("/v1/models/imagenet/versions/1/classify", Need(Scope.CLASSIFY, "imagenet")),
        ("/v1/models/classify", Need(Scope.READ, "classify")),
        ("/v1/models/classify/classify", Need(Scope.CLASSIFY, "classify")),
        ("/v1/models/imagenet/versions/classify", Need(Scope.READ, "imagenet")),
        *(
            (path, Need(None))
            for path in ("/v2", "/metricsx", "/livez/x", "/docsx", "/page", "//metrics", "/V1/classify")
        ),
    ],
)
def test_what_a_path_needs(path: str, need: Need | None) -> None:
    """Probes, the page, /docs and /problems need nothing; what is not listed needs any key."""
    assert needed(path) == need


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> list[Route | Mount]:
    folder: Path = tmp_path_factory.mktemp("models")
    write_bundle(folder)
    return list(flat(create_app(Settings(models=folder)).routes))


def flat(routes: Iterable[Any]) -> Iterator[Route | Mount]:
    """Yield the routes, and those of the routers among them, which FastAPI keeps as they are."""
    for route in routes:
        if isinstance(route, Route | Mount):
            yield route
        else:
            yield from flat(route.original_router.routes)


def test_every_open_route_is_meant_to_be_open(routes: list[Route | Mount]) -> None:
    """A new route needs a key until it is listed here."""
    assert {route.path for route in routes if needed(route.path) is None} | {
        route.path for route in routes if isinstance(route, Mount)
    } == OPEN_ROUTES


PIECES = (
    "/",
    "v1",
    "models",
    "classify",
    "versions",
    "metrics",
    "imagenet",
    "1",
    "\n",
    "page",
    "livez",
    "..",
    "%2F",
    " ",
)


@settings(max_examples=200)
@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join) | st.text(max_size=20))
def test_no_route_sees_another_path_than_the_check(routes: list[Route | Mount], rest: str) -> None:
    """Whatever is added to a path, what answers it has the scope that the check asked for."""
    for path in (
        f"/{rest}",
        f"/v1/{rest}",
        f"/v1/models/{rest}",
        f"/v1/models/a/{rest}",
        f"/v1/models/a/versions/{rest}",
    ):
        scope = {"type": "http", "method": "POST", "path": path, "headers": []}
        seen = path[:-1] if path.startswith("/v1/") and path.endswith("/") else path
        for route in routes:
            match, found = route.matches(scope | {"path": seen})
            if match is Match.NONE:
                continue
            need = needed(path)
            if route.path in PATHS:
                assert need is not None
                assert need.scope is Scope.CLASSIFY
                model = found["path_params"].get("model")
                assert (need.model or "") == (model or "").rstrip("\n") or need.model == model
            elif route.path.startswith("/v1/models"):
                assert need is not None
                assert need.scope is Scope.READ
            elif route.path == "/metrics":
                assert need == Need(Scope.METRICS)
            else:
                assert need is None or route.path in OPEN_ROUTES
