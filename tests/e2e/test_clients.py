"""The examples of docs/clients.md in curl, Python and Node are run, and print what is shown; the browser's has its
own test.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.e2e.test_documented_answers import rounded
from tests.support.clients_page import examples, write_photos
from tests.support.programs import program
from tests.support.server import ServerProcess


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Path:
    write_photos(tmp_path)
    return tmp_path


def printed(output: str) -> list[str]:
    """Return lines in order, since a folder's results have none, and without the ids of requests."""
    return sorted(re.sub(r"request \w{32}", "request ...", output).splitlines())


def run(command: list[str], folder: Path) -> str:
    """Run an example; it has to succeed without a word on standard error."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_curl(server: ServerProcess, folder: Path) -> None:
    """Each command is run in a shell as it stands there."""
    program("curl", package="curl")
    found = examples("console", server.url)
    assert len(found) == 2
    for example in found:
        command, _, shown = example.code.removeprefix("$ ").partition("\n")
        answer = subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, check=True).stdout
        assert json.loads(answer) == rounded(json.loads(shown))


@pytest.mark.parametrize("number", range(5))
def test_python(server: ServerProcess, folder: Path, number: int) -> None:
    """The client, requests and httpx2; a program each."""
    found = examples("python", server.url)
    assert len(found) == 5
    assert printed(run([sys.executable, "-c", found[number].code], folder)) == printed(found[number].output)


def test_node(server: ServerProcess, folder: Path) -> None:
    """The module as it stands there."""
    node = program("node", package="nodejs")
    (example,) = examples("javascript", server.url)
    (folder / "classify.mjs").write_text(example.code)
    assert run([node, "classify.mjs"], folder) == example.output
