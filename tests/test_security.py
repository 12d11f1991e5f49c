"""docs/security.md is true: its tests and limits exist, and clients without a key get the answers that it names."""

import re
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from service.app import create_app
from service.settings import Settings
from tests.conftest import ROOT
from tests.support.api_keys import bearer, write_keys
from tests.support.bundles import write_bundle
from tests.support.pictures import GREEN, picture

DOCUMENT = (ROOT / "docs" / "security.md").read_text()
UNITS = {"": 1, "s": 1, "KiB": 1024, "MiB": 1024**2}
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", DOCUMENT)))
LIMITS = re.findall(r"^\| .+? \| `([\w.]+)` \| ([\d.]+) ?(\w*) \| `tests/\S+::\w+` \|$", DOCUMENT, re.MULTILINE)
ANSWERS = re.findall(r"^\| `(GET|POST) (\S+)` \| (\d+) \| (\d+) \|$", DOCUMENT, re.MULTILINE)


def section(title: str) -> str:
    return DOCUMENT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize(("file", "name"), NAMED, ids=lambda part: part.rpartition("/")[2])
def test_every_named_test_exists(file: str, name: str) -> None:
    """The file, and the test in it."""
    assert re.search(rf"^(async )?def {name}\(", (ROOT / file).read_text(), re.MULTILINE) or not name


def test_every_row_is_read() -> None:
    """Each row of the tables of limits and of answers has the form that the tests of this file read."""
    headings = 3
    assert len(LIMITS) == section("Limits").count("\n| ") - headings
    assert len(ANSWERS) == section("What a client without a key can do").count("\n| ") - 1


@pytest.mark.parametrize(("name", "number", "unit"), LIMITS)
def test_every_limit_has_its_default(name: str, number: str, unit: str) -> None:
    """A setting, or a constant of the code."""
    module, _, constant = name.rpartition(".")
    value = getattr(import_module(module), constant) if module else getattr(Settings(), name)
    assert value == float(number) * UNITS[unit]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models")
    write_bundle(path)
    return path


@pytest.fixture(scope="module", params=["without keys", "with keys"])
def client(request: pytest.FixtureRequest, folder: Path) -> Iterator[tuple[TestClient, int]]:
    """A service, and which of the two columns of the table is about it."""
    keys = folder / "keys" if request.param == "with keys" else None
    if keys is not None:
        write_keys(keys, shop="classify,read,metrics")
    with TestClient(create_app(Settings(models=folder, decode_threads=1, keys=keys))) as client:
        while client.get("/readyz").json()["detail"].startswith("loading"):
            time.sleep(0.01)
        yield client, int(keys is not None)


@pytest.mark.parametrize(("method", "path", "statuses"), [(method, path, each) for method, path, *each in ANSWERS])
def test_a_client_without_a_key_gets_what_the_table_says(
    client: tuple[TestClient, int], method: str, path: str, statuses: list[str]
) -> None:
    """Each path of the service, and some that it does not have."""
    service, column = client
    body = {"content": picture(GREEN)} if method == "POST" else {}
    answer = service.request(method, path.format(model="colours", version=1), **body)  # type: ignore[arg-type]
    assert answer.status_code == int(statuses[column])


def test_the_table_has_every_path(client: tuple[TestClient, int]) -> None:
    """Those of the OpenAPI document are all in it."""
    described = client[0].get("/openapi.json").json()["paths"]
    assert described
    paths = {(method.upper(), path) for path, methods in described.items() for method in methods}
    assert paths <= {(method, path) for method, path, *_ in ANSWERS}


def test_no_request_makes_a_new_time_series(folder: Path) -> None:
    """Not by its path, model, method, host, key, id or trace: the number of series does not grow."""
    keys = write_keys(folder / "own", shop="classify,read,metrics")
    app = create_app(Settings(models=folder, decode_threads=1, keys=folder / "own"))
    with TestClient(app, raise_server_exceptions=False) as client:

        def ask(word: str) -> None:
            own = bearer(keys["shop"])
            strange = {"X-Request-ID": word, "Host": f"{word}.example", "traceparent": word, "User-Agent": word}
            for headers in (own | strange, bearer(word) | strange, strange):
                client.get(f"/{word}", headers=headers)
                client.get(f"/v1/models/{word}", headers=headers)
                client.get(f"/problems/{word}", headers=headers)
                client.request("PROPFIND", f"/{word}", headers=headers)
                client.post(f"/v1/models/{word}/classify?{word}=1", headers=headers, content=b"x")
                client.post(f"/v1/models/colours/versions/{word}/classify", headers=headers, content=b"x")

        def series() -> set[str]:
            lines = client.get("/metrics", headers=bearer(keys["shop"])).text.splitlines()
            return {line.rpartition(" ")[0] for line in lines if not line.startswith("#")}

        ask("first")
        series()
        before = series()
        for number in range(5):
            ask(f"word{number}")
        assert series() == before
        assert "word" not in "".join(before)
