"""`snellen classify --dense`, as a command."""

import csv
import io
import json
from pathlib import Path

import pytest
from PIL import Image

from tests.snellen.command import in_process, snellen
from tests.support.bundles import SIDE, change_manifest
from tests.support.clients import ready_client
from tests.support.dense import noise, write_dense_bundle
from tests.support.pictures import picture


@pytest.fixture(scope="module")
def dense_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dense_bundle(tmp_path_factory.mktemp("models"))


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """Left half red, right half blue."""
    path = tmp_path / "photo.png"
    Image.fromarray(noise(20, 60)).save(path)
    return path


def test_a_table_tells_where_each_class_is_seen_best(dense_bundle: Path, photo: Path) -> None:
    """Share of the cells, best probability, and the cell's place in pixels."""
    done = snellen("classify", "--dense", photo, "--bundle", dense_bundle, COLUMNS="200")
    assert done.returncode == 0, done.stderr
    assert "23x3 cells of 16x16 pixels" in done.stdout
    for label in ("red", "blue"):
        line = next(line for line in done.stdout.splitlines() if label in line)
        assert line.count("%") == 1


def test_two_classes_of_one_label_are_two_lines(tmp_path: Path, photo: Path) -> None:
    """With their ids; also without --dense."""
    change_manifest(bundle := write_dense_bundle(tmp_path), labels=["crane", "pigeon", "crane"])
    dense = in_process("classify", "--dense", photo, "--bundle", bundle, COLUMNS="200").stdout
    plain = in_process("classify", photo, "--bundle", bundle, COLUMNS="200").stdout
    for table in (dense, plain):
        assert [table.count(name) for name in ("crane (class 0)", "crane (class 2)")] == [1, 1]
    assert "pigeon (class" not in plain


def test_json_lines_are_what_the_service_answers(dense_bundle: Path, photo: Path) -> None:
    """Word for word, at every top_k."""
    with ready_client(dense_bundle.parent.parent) as client:
        for options, query in (((), ""), (("--top-k", 2), "&top_k=2")):
            done = in_process("classify", "--dense", photo, "--bundle", dense_bundle, "--format", "jsonl", *options)
            answer = client.post(f"/v1/classify?dense=1{query}", content=photo.read_bytes()).json()
            assert json.loads(done.stdout) == {"path": str(photo)} | answer["results"][0]


def test_csv_has_a_line_for_every_cell(dense_bundle: Path, photo: Path) -> None:
    """With its box in the picture; a file that fails has one with the reason."""
    (photo.parent / "small.png").write_bytes(picture(size=(SIDE - 1, SIDE)))
    done = in_process("classify", "--dense", photo.parent, "--bundle", dense_bundle, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert len(rows) == 23 * 3 + 1
    last = rows[-2]
    assert [last[key] for key in ("row", "column", "left", "top", "width", "height")] == [
        "2",
        "22",
        "44",
        "4",
        "16",
        "16",
    ]
    assert (rows[0]["label"], last["label"]) == ("red", "blue")
    assert "for dense classification it has to be at least 16x16" in rows[-1]["error"]
    assert done.returncode == 1


def test_the_limit_of_pixels_can_be_set(dense_bundle: Path, tmp_path: Path) -> None:
    """It is the service's otherwise."""
    (tmp_path / "small.png").write_bytes(picture(size=(50, 40)))
    (tmp_path / "large.png").write_bytes(picture(size=(2001, 2000)))
    arguments = ("classify", "--dense", "--bundle", dense_bundle)
    refused = in_process(*arguments, tmp_path / "large.png")
    assert (refused.returncode, "send at most 4000000" in refused.stderr) == (1, True)
    assert in_process(*arguments, tmp_path / "small.png", "--max-pixels", 2000).returncode == 0
    assert in_process(*arguments, tmp_path / "small.png", "--max-pixels", 1999).returncode == 1


def test_a_model_of_one_size_says_so(bundle: Path, photo: Path) -> None:
    """Before anything is tried."""
    done = in_process("classify", "--dense", photo, "--bundle", bundle)
    assert (done.returncode, "takes images of one size" in done.stderr) == (2, True)
