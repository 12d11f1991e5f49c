"""The commands of docs/evaluating.md, one after the other, as a reader types them."""

import re
import shlex
from pathlib import Path

import pytest

from tests.snellen.command import snellen
from tests.support.bundles import write_bundle
from tests.support.class_folders import write_colours
from tests.support.variants import add_variant

DOCUMENT = Path(__file__).parents[2] / "docs" / "evaluating.md"


def commands() -> list[str]:
    blocks = re.findall(r"^```\n(.*?)^```", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.startswith("snellen ")]


def test_the_commands_of_the_document_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a bundle and a folder of the names that it uses."""
    add_variant(write_bundle(tmp_path / "models", "flowers"))
    write_colours(tmp_path / "photos", 70)
    monkeypatch.chdir(tmp_path)
    assert commands()
    for command in commands():
        done = snellen(*shlex.split(command)[1:])
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
