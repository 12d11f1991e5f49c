"""The answers that README.md and docs/api.md show are those of the service."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from tests.conftest import ROOT
from tests.support.programs import program
from tests.support.server import ServerProcess

ADDRESS = "localhost:8000"


def examples(document: Path) -> list[tuple[str, Any]]:
    """Return the commands of a document that ask the service, each with the JSON that is shown below it."""
    blocks = re.findall(r"^```console\n(.*?)^```", document.read_text(), re.MULTILINE | re.DOTALL)
    commands = [part.partition("\n") for block in blocks for part in re.split(r"^\$ ", block, flags=re.MULTILINE)]
    return [(command, json.loads(shown)) for command, _, shown in commands if ADDRESS in command and shown.strip()]


def rounded(value: Any) -> Any:
    """Return the value with numbers of three digits, as another CPU computes them, and without the request's id."""
    if isinstance(value, dict):
        return {name: rounded(part) for name, part in value.items() if name != "request_id"}
    if isinstance(value, list):
        return [rounded(part) for part in value]
    return pytest.approx(value, abs=2e-3) if isinstance(value, float) else value


@pytest.mark.parametrize("document", ["README.md", "docs/api.md"])
def test_the_answers_in_a_document_are_those_of_the_service(server: ServerProcess, document: str) -> None:
    """Each command is run in a shell as it stands there."""
    program("curl", package="curl")
    found = examples(ROOT / document)
    assert found
    for command, shown in found:
        line = f"G=models/imagenet/1/golden; {command}".replace(ADDRESS, server.url.removeprefix("http://"))
        answer = subprocess.run(["sh", "-c", line], cwd=ROOT, capture_output=True, check=True).stdout
        given = json.loads(answer)
        given.pop("request_id", None)
        assert given == rounded(shown)


@pytest.mark.parametrize("path", ["/v1/classify", "/v1/models/{model}/classify"])
def test_the_example_of_the_openapi_document_is_true(server: ServerProcess, path: str) -> None:
    """Its body is answered as its answer says."""
    document = httpx.get(f"{server.url}/openapi.json").json()
    (body,) = document["components"]["schemas"]["ImagesAsText"]["examples"]
    shown = document["paths"][path]["post"]["responses"]["200"]["content"]["application/json"]["example"]
    assert httpx.post(server.url + path.replace("{model}", "imagenet"), json=body).json() == rounded(shown)
