"""The commands of docs/drift.md run, and a bundle that they make is compared by the service that serves it."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.docker.monitoring import ROOT
from tests.snellen.command import snellen
from tests.support.bundles import write_bundle
from tests.support.class_folders import write_colours
from tests.support.processes import sample
from tests.support.server import running

DOCUMENT = ROOT / "docs" / "drift.md"


def commands(program: str) -> list[list[str]]:
    """Return the words of each command of a program, without its name."""
    blocks = re.findall(r"^```sh\n(.*?)^```", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    lines = [shlex.split(line) for block in blocks for line in block.splitlines()]
    return [words[1:] for words in lines if words[0] == program]


def test_a_calibrated_version_is_compared_with_its_baseline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the commands of the document: the new version shows its baseline, and counts answers beside it."""
    write_bundle(tmp_path / "models", "flowers")
    photos = write_colours(tmp_path / "photos", 70)
    monkeypatch.chdir(tmp_path)
    assert len(commands("snellen")) == 2
    for words in commands("snellen"):
        done = snellen(*words)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    with running(tmp_path / "models") as server:
        for path in sorted((photos / "green").iterdir())[:20]:
            assert httpx.post(f"{server.url}/v1/classify", content=path.read_bytes()).status_code == 200
        baseline = httpx.get(f"{server.url}/v1/models/flowers").json()["calibration"]["baseline"]
        labels = 'class_id="1",label="green",model="flowers",version="2"'
        assert baseline["images"] == 210
        assert sample(server, f"snellen_baseline_class_share{{{labels}}}") == baseline["classes"][1]["share"]
        assert (sample(server, f"snellen_predicted_images_total{{{labels}}}") or 0) > 15
        assert (
            sample(server, 'snellen_baseline_unfamiliar_share{model="flowers",version="2"}') == baseline["unfamiliar"]
        )


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool")
def test_promtool_accepts_the_rules_as_the_document_says() -> None:
    """From the folder of the project."""
    (words,) = commands("promtool")
    done = subprocess.run(["promtool", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_table_of_needed_images_is_that_of_the_rule() -> None:
    """The index by chance is below 0.1 from this number of images on, and never where the baseline alone makes 0.1."""
    rows = re.findall(r"^\| (\d+)[^|]*\| ([\d,]+)[^|]*\| ([\d,]+|never) \|$", DOCUMENT.read_text(), re.MULTILINE)
    assert len(rows) == 5
    for shares, baseline, needed in rows:
        left = 0.1 / (int(shares) - 1) - 1 / int(baseline.replace(",", ""))
        if needed == "never":
            assert left <= 0
        else:
            assert int(needed.replace(",", "")) == max(500, int(1 / left) + 1)
