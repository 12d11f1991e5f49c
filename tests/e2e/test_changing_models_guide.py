"""The commands of docs/changing-models.md, one after the other, with a real service."""

import re
import shlex
import subprocess
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.snellen.command import snellen
from tests.support.bundles import write_bundle
from tests.support.class_folders import write_colours
from tests.support.pictures import GREEN, picture
from tests.support.server import running

DOCUMENT = Path(__file__).parents[2] / "docs" / "changing-models.md"
ANSWERING = {"snellen models default flowers 1": "1", "snellen models default flowers 2": "2"}
"""Command -> the version that answers after it."""


def commands() -> list[str]:
    blocks = re.findall(r"^```console\n(.*?)^```", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines() if line.startswith("$ ")]


@pytest.mark.timeout(900)
def test_the_commands_of_the_document_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In their order; the choices of the default version have their effect at once."""
    write_bundle(tmp_path / "models", "flowers")
    write_bundle(tmp_path / "new", "flowers", version=2)
    write_colours(tmp_path / "photos", 3)
    serve, *others = commands()
    assert serve == "snellen serve --models models --watch"
    with running(tmp_path / "models", "--watch", "--profile-cache", str(tmp_path / "cache")) as server:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("SNELLEN_PORT", str(server.port))
        for command in others:
            program, *arguments = shlex.split(command)
            if program == "snellen":
                done = snellen(*arguments)
            else:
                done = subprocess.run([program, *arguments], check=False, capture_output=True, text=True)
            assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}{server.log}"
            if command in ANSWERING:
                answer = httpx.post(f"{server.url}/v1/classify", content=picture(GREEN), timeout=60).json()
                assert answer["version"] == ANSWERING[command], command
        states = [each["version"] for each in httpx.get(f"{server.url}/v1/models").json()["models"]]
        assert states == ["1"]
