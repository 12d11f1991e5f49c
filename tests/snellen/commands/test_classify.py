"""`snellen classify`, as a command."""

import csv
import io
import json
import os
from pathlib import Path

import pytest

from service.settings import Settings
from tests.snellen.command import in_process, snellen
from tests.support.pictures import picture


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
    done = in_process("classify", *files, "--bundle", bundle, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["label"] for row in rows if row["rank"] == "1"] == ["red"]
    assert [bool(row["error"]) for row in rows] == [True, True, False, False, False]
    assert done.returncode == 1
    assert "not an image of an accepted format" in done.stderr
    assert "No such file" in done.stderr


def test_a_table_is_for_people(bundle: Path, photos: Path) -> None:
    """The default."""
    done = in_process("classify", photos / "a.png", "--bundle", bundle)
    assert done.returncode == 0
    assert "red" in done.stdout
    assert "probability" in done.stdout


def test_nothing_to_do_is_an_error(bundle: Path, tmp_path: Path) -> None:
    """An empty folder is not a success."""
    done = in_process("classify", tmp_path, "--bundle", bundle)
    assert (done.returncode, "no image found" in done.stderr) == (2, True)


def test_a_bundle_that_is_none_is_said(tmp_path: Path) -> None:
    """In one line."""
    (tmp_path / "a.png").write_bytes(picture())
    done = in_process("classify", tmp_path, "--bundle", tmp_path)
    assert (done.returncode, "manifest.json cannot be read" in done.stderr) == (2, True)


def test_square_brackets_in_a_name_are_no_markup(bundle: Path, tmp_path: Path) -> None:
    """In the table and among the failures."""
    (tmp_path / "IMG [edited].png").write_bytes(picture())
    (tmp_path / "[").mkdir()
    (tmp_path / "[/nope].png").write_bytes(b"no picture")
    done = in_process("classify", tmp_path, "--bundle", bundle, "--top-k", 1, COLUMNS="200")
    assert done.returncode == 1
    assert "IMG [edited].png" in done.stdout
    assert "[/nope].png: these 10 bytes are not an image" in done.stderr


def test_a_long_path_is_folded_not_cut(bundle: Path, tmp_path: Path) -> None:
    """All of it is there, whatever the width."""
    name = "n" * 200 + ".png"
    (tmp_path / name).write_bytes(picture())
    done = in_process("classify", tmp_path, "--bundle", bundle, COLUMNS="60")
    assert "\N{HORIZONTAL ELLIPSIS}" not in done.stdout
    assert done.stdout.count("n") >= 200


@pytest.mark.parametrize("output_format", ["table", "jsonl", "csv"])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_name_that_is_no_utf8_is_shown_escaped(
    bundle: Path, tmp_path: Path, output_format: str, encoding: str
) -> None:
    """In every format, of pictures and of failures, whatever the terminal can show."""
    for name in (b"caf\xe9.png", b"broken\xff.png"):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(picture() if b"caf" in name else b"junk")
    (tmp_path / "na\u00efve.png").write_bytes(picture())
    arguments = ("classify", tmp_path, "--bundle", bundle, "--format", output_format)
    done = snellen(*arguments, PYTHONIOENCODING=encoding, COLUMNS="300")
    assert done.returncode == 1
    assert "broken\\xff.png: these 4 bytes" in done.stderr
    named = [json.loads(line)["path"] for line in done.stdout.splitlines()] if output_format == "jsonl" else done.stdout
    assert "caf\\xe9.png" in "".join(named)
    escaped = output_format == "table" and encoding == "ascii"
    assert ("na\\xefve.png" if escaped else "na\u00efve.png") in "".join(named)


def test_a_control_character_does_not_reach_the_terminal(bundle: Path, tmp_path: Path) -> None:
    """A name may hold an escape sequence or a line end."""
    (tmp_path / "a\x1b[2J\nb.png").write_bytes(picture())
    done = in_process("classify", tmp_path, "--bundle", bundle, COLUMNS="200")
    assert r"a\x1b[2J\nb.png" in done.stdout


def test_only_regular_files_are_read(bundle: Path, tmp_path: Path) -> None:
    """A pipe without a writer and a device without an end are failures at once."""
    os.mkfifo(tmp_path / "f.jpg")
    done = in_process("classify", tmp_path / "f.jpg", "/dev/zero", "--bundle", bundle, "--format", "csv")
    assert [row["error"] for row in csv.DictReader(io.StringIO(done.stdout))] == ["this is not a regular file"] * 2
    assert done.returncode == 1


def test_a_large_file_is_refused(bundle: Path, photos: Path) -> None:
    """Whole files of the limit's size are still read; the limit is the service's unless told otherwise."""
    size = (photos / "a.png").stat().st_size
    arguments = ("classify", photos / "a.png", "--bundle", bundle)
    assert in_process(*arguments, "--max-bytes", size).returncode == 0
    refused = in_process(*arguments, "--max-bytes", size - 1)
    assert (refused.returncode, f"larger than {size - 1} bytes" in refused.stderr) == (1, True)
    with (photos / "huge.bmp").open("wb") as stream:
        stream.truncate(Settings().max_body_bytes + 1)
    refused = in_process("classify", photos / "huge.bmp", "--bundle", bundle)
    assert f"larger than {Settings().max_body_bytes} bytes" in refused.stderr


def test_a_file_that_cannot_be_looked_at_is_a_failure(bundle: Path, photos: Path) -> None:
    """A dangling link and a name that is too long, not the end of the run."""
    (photos / "link.png").symlink_to("nowhere")
    done = in_process("classify", photos, photos / ("n" * 300), "--bundle", bundle, "--format", "jsonl")
    errors = [answer["error"] for line in done.stdout.splitlines() if "error" in (answer := json.loads(line))]
    assert errors == ["No such file or directory", "File name too long"]
    assert done.returncode == 1


BLACK = (0, 0, 0)


def test_an_unfamiliar_picture_is_marked_in_every_format(familiar: Path, tmp_path: Path) -> None:
    """With the words of the service: `energy` and `unfamiliar`."""
    (tmp_path / "black.png").write_bytes(picture(BLACK))
    (tmp_path / "red.png").write_bytes(picture())
    csv_, jsonl, table = (
        in_process("classify", tmp_path, "--bundle", familiar, "--top-k", 1, "--format", each, COLUMNS="200").stdout
        for each in ("csv", "jsonl", "table")
    )
    rows = list(csv.DictReader(io.StringIO(csv_)))
    answers = [json.loads(line) for line in jsonl.splitlines()]
    assert [row["unfamiliar"] for row in rows] == ["true", "false"]
    assert [answer["unfamiliar"] for answer in answers] == [True, False]
    assert [float(row["energy"]) for row in rows] == [answer["energy"] for answer in answers]
    assert answers[0]["energy"] == pytest.approx(-1.0986, abs=1e-4)
    assert (rows[0]["threshold"], rows[0]["present"]) == ("", "")
    assert table.count("unfamiliar: looks like none of the classes") == 1


def test_classes_of_a_multilabel_model_are_present_or_not(tags: Path, tmp_path: Path) -> None:
    """With the words of the service: `threshold` and `present`."""
    (tmp_path / "orange.png").write_bytes(picture((255, 180, 0)))
    csv_, jsonl, table = (
        in_process("classify", tmp_path, "--bundle", tags, "--format", each, COLUMNS="200").stdout
        for each in ("csv", "jsonl", "table")
    )
    rows = list(csv.DictReader(io.StringIO(csv_)))
    predictions = json.loads(jsonl)["predictions"]
    assert [(row["label"], row["threshold"], row["present"]) for row in rows] == [
        ("red", "0.5", "true"),
        ("green", "0.9", "false"),
        ("blue", "0.5", "false"),
    ]
    assert [(p["label"], p["threshold"], p["present"]) for p in predictions] == [
        ("red", 0.5, True),
        ("green", 0.9, False),
        ("blue", 0.5, False),
    ]
    assert (rows[0]["energy"], rows[0]["unfamiliar"]) == ("", "")
    assert table.count("present") == 1


def test_a_bundle_without_thresholds_has_none_of_these(bundle: Path, photos: Path) -> None:
    """JSON lines leave the fields out, CSV leaves its columns empty."""
    arguments = ("classify", photos / "a.png", "--bundle", bundle, "--format")
    assert json.loads(in_process(*arguments, "jsonl").stdout).keys() == {"path", "predictions"}
    first = next(csv.DictReader(io.StringIO(in_process(*arguments, "csv").stdout)))
    assert [first[name] for name in ("threshold", "present", "energy", "unfamiliar")] == [""] * 4
