"""The tutorial "From a folder of photos to a served model", typed into a shell as it stands there."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from models.contract import Precision, read_bundle
from tests.support.server import running_command
from tests.support.tutorial import PHOTOS, ROOT, commands_with_outputs, python_code, sections

EVERYTHING = sections(PHOTOS)
LONGER = ("A report with its worst mistakes", "Smaller and faster", "More photos, and the next version")
"""Sections that take minutes; only `make test-slow` runs them."""
QUICK = [name for name in EVERYTHING if name not in LONGER]
SERVE = "Serve it"
REFUSED = "Mistakes in a folder"
"""The section whose `snellen train` has to refuse the folder."""
LEFT_OUT = "..."


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "chosen", [QUICK, pytest.param(EVERYTHING, marks=pytest.mark.slow)], ids=["quick", "everything"]
)
def test_the_tutorial_does_what_it_says(chosen: list[str], tmp_path: Path) -> None:
    """Every command succeeds but the one that is refused, and every line that is shown is printed, whatever the numbers
    in it are. The network classifies most test images correctly.
    """
    assert set(LONGER) < set(EVERYTHING)
    (tmp_path / "cut.py").write_text(python_code("The photos", PHOTOS))
    for name in chosen:
        if name == SERVE:
            follow_served(tmp_path)
            continue
        for command, shown in commands_with_outputs(name, PHOTOS):
            refused = name == REFUSED and command.startswith("snellen train")
            assert_shown(shown, typed(command, tmp_path, status=2 if refused else 0))
    variant = read_bundle(tmp_path / "models/photos/1").manifest.variant(Precision.FP32)
    assert variant is not None
    assert variant.metrics.top1 is not None
    assert variant.metrics.top1 > 0.8
    assert (tmp_path / "photos-1.html").exists() == (chosen == EVERYTHING)


def follow_served(folder: Path) -> None:
    """Type the first command of the section, and the others while that one serves on a free port."""
    (serve, _), *requests = commands_with_outputs(SERVE, PHOTOS)
    command = [*shlex.split(serve), "--port", "0"]
    with running_command(*command, environment=environment() | {"SNELLEN_FRONTENDS": "1"}, folder=folder) as server:
        for command_line, shown in requests:
            there = command_line.replace("localhost:8000", server.url.removeprefix("http://"))
            assert_shown(shown, typed(there, folder))


def environment() -> dict[str, str]:
    """The variables of a shell in which the environment of this test is active."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    return os.environ | {"PATH": path, "PYTHONPATH": str(ROOT), "COLUMNS": "120"}


def typed(command: str, folder: Path, status: int = 0) -> str:
    """What a command prints in a shell."""
    done = subprocess.run(
        ["bash", "-c", command],
        check=False,
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == status, f"{command}\n{done.stdout}"
    return done.stdout


def assert_shown(shown: list[str], printed: str) -> None:
    """Each line that the tutorial shows is printed, up to its numbers and to how words are spaced."""
    missing = {without_numbers(line) for line in shown} - {LEFT_OUT} - set(map(without_numbers, printed.splitlines()))
    assert not missing, printed


def without_numbers(line: str) -> str:
    """A line with `0` in the place of each number."""
    return " ".join(re.sub(r"\d+(?:[.,]\d+)*(?:e-\d+)?", "0", line).split())
