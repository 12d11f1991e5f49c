"""`snellen tune`, as a command."""

import json
from pathlib import Path

import pytest

from tests.snellen.command import snellen
from tests.support.server import running


@pytest.fixture
def repository(bundle: Path) -> Path:
    return bundle.parent.parent


def test_tune_marks_what_it_chose_and_serve_uses_it(repository: Path, tmp_path: Path) -> None:
    """The table, a JSON file, and the cache that the server reads."""
    done = snellen(
        *("tune", "colours", "--models", repository, "--seconds", 0.2, "--max-batch-size", 4),
        *("--profile-cache", tmp_path, "--json", tmp_path / "found.json"),
    )
    assert done.returncode == 0, done.stderr
    assert "colours/1" in done.stdout
    (found,) = json.loads((tmp_path / "found.json").read_text())
    assert {key: found["chosen"][key] for key in ("precision", "provider")} == {"precision": "fp32", "provider": "cpu"}
    assert found["reason"] in done.stdout
    with running(repository, "--max-batch-size", "4", "--profile-cache", str(tmp_path)) as server:
        assert "(measured before)" in server.log
        assert found["reason"] in server.log


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("nothing",), "there is no nothing in"),
        (("--precision", "fp8"), "--precision (SNELLEN_PRECISION) takes one of"),
        (("--providers", "abacus"), "providers"),
    ],
)
def test_tune_says_what_is_wrong(repository: Path, arguments: tuple[str, ...], reason: str) -> None:
    """In one line, with status 2."""
    done = snellen("tune", *arguments, "--models", repository)
    assert (done.returncode, reason in done.stderr) == (2, True), done.stderr
