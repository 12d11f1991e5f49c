"""docs/bulk.md: its commands run, and what it says about the columns is true."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from models.contract import read_bundle
from snellen.bulk.rows import schema_of
from tests.snellen.bulk.data import LABELS, PICTURES, rows, write_parquet, write_pictures, write_tar
from tests.snellen.command import in_process, snellen

TEXT = (Path(__file__).parents[3] / "docs/bulk.md").read_text()


def test_the_commands_of_the_document_work(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each `snellen classify`, then each program that reads what they wrote."""
    commands = [each for each in re.findall(r"^snellen (classify .*)$", TEXT, re.MULTILINE) if "--ray" not in each]
    shell = re.findall(r"^python -c (.*)$", TEXT, re.MULTILINE)
    programs = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    assert (len(commands), len(shell), len(programs)) == (2, 1, 3)
    write_pictures(tmp_path / "photos", 9)
    (tmp_path / "shards").mkdir()
    (tmp_path / "more").mkdir()
    write_tar(tmp_path / "shards" / "train-000.tar", [("a.png", PICTURES[0])])
    write_parquet(tmp_path / "more" / "t.parquet", {"image": PICTURES})
    monkeypatch.chdir(tmp_path)
    for command in commands:
        done = in_process(*shlex.split(command), "--bundle", bundle)
        assert done.returncode == 0, f"{command}: {done.stderr}"
    for program in [*(shlex.split(words)[0] for words in shell), *programs]:
        read = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        assert read.returncode == 0, f"{program}: {read.stderr}"
        assert "red" in read.stdout


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_command_of_the_document_works_on_ray(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a cluster of its own."""
    (command,) = re.findall(r"^snellen (classify .* --ray)$", TEXT, re.MULTILINE)
    write_pictures(tmp_path / "photos", 9)
    monkeypatch.chdir(tmp_path)
    done = snellen(*shlex.split(command), "--bundle", bundle, RAY_ADDRESS="local", RAY_USAGE_STATS_ENABLED="0")
    assert done.returncode == 0, done.stderr
    assert [row["label"] for row in rows(tmp_path / "results.parquet")] == LABELS * 3


def test_every_column_is_explained(bundle: Path, familiar: Path, tags: Path) -> None:
    """And no other one."""
    table = TEXT.partition("## What it writes")[2].partition("```")[0]
    explained = {
        name for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    }
    assert explained == {
        name for each in (bundle, familiar, tags) for name in schema_of(read_bundle(each).manifest).names
    }
