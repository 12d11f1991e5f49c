"""`snellen classify` and `snellen verify`, as commands."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.bundles import write_bundle
from tests.support.pictures import BLUE, GREEN, RED, picture


def snellen(*arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "snellen", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("models"))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three pictures in two folders, and a text file."""
    folder = tmp_path / "photos"
    (folder / "deeper").mkdir(parents=True)
    (folder / "a.png").write_bytes(picture(RED))
    (folder / "b.JPG").write_bytes(picture(GREEN, image_format="JPEG"))
    (folder / "deeper" / "c.webp").write_bytes(picture(BLUE, image_format="WEBP"))
    (folder / "notes.txt").write_text("not a picture")
    return folder


def test_a_folder_is_classified_in_order(bundle: Path, photos: Path) -> None:
    """Every image below it, other files left alone."""
    done = snellen("classify", photos, "--bundle", bundle, "--format", "jsonl", "--top-k", 1)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(Path(a["path"]).name, a["predictions"][0]["label"]) for a in answers] == [
        ("a.png", "red"),
        ("b.JPG", "green"),
        ("c.webp", "blue"),
    ]
    assert done.returncode == 0


def test_a_bad_file_is_reported_and_the_run_goes_on(bundle: Path, photos: Path) -> None:
    """Its line has the reason, the exit status says so."""
    files = [photos / "notes.txt", photos / "missing.png", photos / "a.png"]
    done = snellen("classify", *files, "--bundle", bundle, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["label"] for row in rows if row["rank"] == "1"] == ["red"]
    assert [bool(row["error"]) for row in rows] == [True, True, False, False, False]
    assert done.returncode == 1
    assert "not an image of an accepted format" in done.stderr
    assert "No such file" in done.stderr


def test_a_table_is_for_people(bundle: Path, photos: Path) -> None:
    """The default."""
    done = snellen("classify", photos / "a.png", "--bundle", bundle)
    assert done.returncode == 0
    assert "red" in done.stdout
    assert "probability" in done.stdout


def test_nothing_to_do_is_an_error(bundle: Path, tmp_path: Path) -> None:
    """An empty folder is not a success."""
    done = snellen("classify", tmp_path, "--bundle", bundle)
    assert (done.returncode, "no image found" in done.stderr) == (2, True)


def test_a_bundle_that_is_none_is_said(tmp_path: Path) -> None:
    """In one line."""
    (tmp_path / "a.png").write_bytes(picture())
    done = snellen("classify", tmp_path, "--bundle", tmp_path)
    assert (done.returncode, "manifest.json cannot be read" in done.stderr) == (2, True)
    assert "Traceback" not in done.stderr


def test_verify_passes_what_is_whole(bundle: Path) -> None:
    """And says what it checked."""
    done = snellen("verify", bundle)
    assert done.returncode == 0, done.stderr
    assert "3 golden images" in done.stdout


def test_verify_names_what_is_off(tmp_path: Path) -> None:
    """Exit status 1 and the reason."""
    folder = write_bundle(tmp_path)
    (folder / "golden/blue.png").write_bytes(picture(RED))
    done = snellen("verify", folder)
    assert done.returncode == 1
    assert "golden/blue.png differs from the sha256" in done.stderr


def test_bench_prints_every_stage(bundle: Path) -> None:
    """Decoding of each golden image and the session by batch size."""
    done = snellen("bench", bundle, "--seconds", 0.1, "--largest", 2)
    assert done.returncode == 0, done.stderr
    assert "batch of 1" in done.stdout
    assert "decode golden/red.png" in done.stdout


@pytest.mark.parametrize("command", ["serve", "classify", "train", "import", "verify", "bench"])
def test_every_command_has_help(command: str) -> None:
    """Without PyTorch, too."""
    done = snellen(command, "--help")
    assert done.returncode == 0
    assert "usage" in done.stdout.lower()
