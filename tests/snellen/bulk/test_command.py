"""`snellen classify --out`, as a command."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.snellen.bulk.data import LABELS, PICTURES, rows, write_parquet, write_pictures, write_tar
from tests.snellen.command import in_process

READ = re.compile(r"^snellen: read them: (.*)$", re.MULTILINE)


@contextmanager
def started(*arguments: object) -> Iterator["subprocess.Popen[str]"]:
    """Start the command, and kill it at the end if it still runs."""
    command = [sys.executable, "-m", "snellen", "classify", *map(str, arguments)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def wait_for(path: Path, process: "subprocess.Popen[str]") -> None:
    """Wait until a file is there; it has to come before the process ends."""
    while not path.exists():
        assert process.poll() is None, process.stderr and process.stderr.read()
        time.sleep(0.005)


def names(folder: Path) -> list[str]:
    return [row["path"] for row in rows(folder)]


def test_every_file_has_one_row_after_kills_and_resumes(bundle: Path, tmp_path: Path) -> None:
    """Killed three times with SIGKILL, each time later; then the same command ends the work."""
    paths = write_pictures(tmp_path / "files", 1500)
    out = tmp_path / "results.parquet"
    arguments = (tmp_path / "files", "--bundle", bundle, "--out", out, "--rows-per-part", 50)
    for part in (2, 7, 13):
        with started(*arguments) as process:
            wait_for(out / f"part-{part:05d}.parquet", process)
            process.send_signal(signal.SIGKILL)
            process.wait()
    (out / "part-00003.parquet").unlink()
    kept = {path: path.stat().st_mtime_ns for path in out.glob("part-*.parquet")}
    assert 0 < len(kept) < 30
    done = in_process("classify", *arguments)
    assert done.returncode == 0
    assert f"going on after {50 * len(kept):,} of 1,500 images" in done.stderr
    assert "1,500 rows in" in done.stderr
    assert "none failed" in done.stderr
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert names(out) == paths
    assert [row["label"] for row in rows(out)] == [LABELS[index % 3] for index in range(1500)]
    assert sorted(path.name for path in out.iterdir())[:2] == ["_inputs.arrow", "_snellen.json"]
    assert len(list(out.iterdir())) == 32


def test_ctrl_c_keeps_what_is_whole(bundle: Path, tmp_path: Path) -> None:
    """One line says how to go on; the exit status is that of the other commands."""
    write_pictures(tmp_path / "files", 1500)
    out = tmp_path / "results.parquet"
    arguments = (tmp_path / "files", "--bundle", bundle, "--out", out, "--rows-per-part", 50)
    with started(*arguments) as process:
        wait_for(out / "part-00001.parquet", process)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
    whole = len(list(out.glob("part-*.parquet")))
    assert (process.returncode, error) == (
        130,
        f"snellen: stopped with {whole} of 30 parts whole; the same command goes on after them\n",
    )
    assert not list(out.glob("_unfinished*"))
    assert in_process("classify", *arguments).returncode == 0
    assert len(set(names(out))) == 1500


def test_finished_output_stays(bundle: Path, tmp_path: Path) -> None:
    """The same command says so, with the rows and failures that there are."""
    write_pictures(tmp_path / "files", 20)
    (tmp_path / "files" / "000" / "bad.png").write_bytes(b"no picture")
    out = tmp_path / "results.parquet"
    arguments = ("classify", tmp_path / "files", "--bundle", bundle, "--out", out)
    first = in_process(*arguments)
    before = [(path, path.stat().st_mtime_ns) for path in out.iterdir()]
    second = in_process(*arguments)
    assert [(path, path.stat().st_mtime_ns) for path in out.iterdir()] == before
    assert (first.returncode, second.returncode) == (1, 1)
    summary = f"21 rows in {out}, 1 failed: 1 unsupported format"
    assert summary in first.stderr
    assert summary in second.stderr
    assert "is finished; to classify again, give another --out, or remove it" in second.stderr


def test_what_differs_is_refused(bundle: Path, tmp_path: Path) -> None:
    """Options and arguments; nothing changes."""
    paths = write_pictures(tmp_path / "files", 3)
    out = tmp_path / "results.parquet"
    arguments = ("classify", tmp_path / "files", "--bundle", bundle, "--out", out)
    assert in_process(*arguments).returncode == 0
    refused = [in_process(*arguments, "--top-k", 1), in_process(*arguments, "--rows-per-part", 7)]
    refused.append(in_process(*arguments[:1], tmp_path / "files" / "000", *arguments[2:]))
    assert [done.returncode for done in refused] == [2, 2, 2]
    assert [done.stderr.count("\n") for done in refused] == [1, 1, 1]
    assert "--top-k: 3 then, 1 now" in refused[0].stderr
    assert f"other arguments: {tmp_path / 'files'} then, {tmp_path / 'files' / '000'} now" in refused[2].stderr
    assert names(out) == paths


def test_files_that_come_and_go_are_noticed(bundle: Path, tmp_path: Path) -> None:
    """A file that is gone is a row with an error; one that came has none, and the last lines say so."""
    paths = write_pictures(tmp_path / "files", 1500)
    out = tmp_path / "results.parquet"
    with started(tmp_path / "files", "--bundle", bundle, "--out", out, "--rows-per-part", 50) as process:
        wait_for(out / "part-00000.parquet", process)
        Path(paths[-1]).unlink()
        (tmp_path / "files" / "000" / "000000a.png").write_bytes(PICTURES[0])
        _, error = process.communicate(timeout=100)
    assert process.returncode == 1
    assert "1,500 rows in" in error
    assert "1 failed: 1 no such file or directory" in error
    assert "files came or went meanwhile: the 1,500 images that were there at the start have one row each" in error
    assert names(out) == paths


def test_files_that_came_and_went_between_two_commands_are_noticed(bundle: Path, tmp_path: Path) -> None:
    """The run goes on with the images of its start, and says so again when it is finished."""
    paths = write_pictures(tmp_path / "files", 6)
    out = tmp_path / "results.parquet"
    arguments = ("classify", tmp_path / "files", "--bundle", bundle, "--out", out, "--rows-per-part", 2)
    assert in_process(*arguments).returncode == 0
    (out / "part-00001.parquet").unlink()
    Path(paths[2]).unlink()
    (tmp_path / "files" / "000" / "000000a.png").write_bytes(PICTURES[0])
    resumed, finished = in_process(*arguments), in_process(*arguments)
    assert (resumed.returncode, finished.returncode) == (1, 1)
    assert "going on after 4 of 6 images" in resumed.stderr
    assert "files came or went since the run began" in resumed.stderr
    assert "1 failed: 1 no such file or directory" in resumed.stderr
    assert "what came since has none" in resumed.stderr
    assert "what came since has none" in finished.stderr
    assert names(out) == paths


@pytest.mark.parametrize("store", ["", "file://"])
def test_a_shard_that_changed_is_refused(bundle: Path, tmp_path: Path, store: str) -> None:
    """Since its images lie elsewhere now; a new shard is not, nor is one that is gone after it has its rows."""
    (folder := tmp_path / "in").mkdir()
    first = write_tar(folder / "a.tar", [(f"{index}.png", PICTURES[index]) for index in range(3)])
    second = write_tar(folder / "b.tar", [("0.png", PICTURES[0])])
    out = tmp_path / "results.parquet"
    arguments = ("classify", f"{store}{folder}", "--bundle", bundle, "--out", out, "--rows-per-part", 1)
    assert in_process(*arguments).returncode == 0
    (out / "part-00003.parquet").unlink()
    write_tar(folder / "c.tar", [("0.png", PICTURES[0])])
    first.unlink()
    assert in_process(*arguments).returncode == 1
    assert len(rows(out)) == 4
    write_tar(second, [(f"{index}.png", PICTURES[index] * 100) for index in range(3)])
    refused = in_process(*arguments)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert re.search(r"b\.tar has [\d,]+ bytes, and had [\d,]+ when .* was begun; give another --out", refused.stderr)


def test_a_disk_that_is_not_mounted_makes_no_rows(bundle: Path, tmp_path: Path) -> None:
    """Its folder is empty, or not there; the run waits for the files."""
    write_pictures(tmp_path / "files", 3)
    out = tmp_path / "results.parquet"
    arguments = ("classify", tmp_path / "files", "--bundle", bundle, "--out", out, "--rows-per-part", 2)
    assert in_process(*arguments).returncode == 0
    (out / "part-00001.parquet").unlink()
    (tmp_path / "files").rename(tmp_path / "away")
    gone = in_process(*arguments)
    (tmp_path / "files").mkdir()
    empty = in_process(*arguments)
    assert (gone.returncode, empty.returncode) == (2, 2)
    assert "there is no file or folder" in gone.stderr
    assert "none of the 3 files of the run is there: bring them back" in empty.stderr
    assert not (out / "part-00001.parquet").exists()


def test_an_argument_that_goes_meanwhile_is_noticed(bundle: Path, tmp_path: Path) -> None:
    """The rows are there, so the exit status is that of other changes."""
    write_pictures(tmp_path / "files", 1500)
    (lone := tmp_path / "lone.png").write_bytes(PICTURES[0])
    out = tmp_path / "results.parquet"
    with started(tmp_path / "files", lone, "--bundle", bundle, "--out", out, "--rows-per-part", 50) as process:
        wait_for(out / "part-00000.parquet", process)
        lone.unlink()
        _, error = process.communicate(timeout=100)
    assert process.returncode == 1
    assert "1,501 rows in" in error
    assert "files came or went meanwhile" in error


def test_ctrl_c_at_the_end_does_not_deny_what_is_done(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the files are listed once more, which takes long in a store."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    write_pictures(tmp_path / "files", 3)
    monkeypatch.setattr("snellen.bulk.command.listing_of", stop)
    done = in_process("classify", tmp_path / "files", "--bundle", bundle, "--out", tmp_path / "r.parquet")
    assert done.returncode == 130
    assert done.stderr.endswith("snellen: stopped; what is done stays, and the same command goes on\n")
    assert len(rows(tmp_path / "r.parquet")) == 3


@pytest.mark.parametrize("name", ["it's.parquet", "~/r.parquet"])
def test_the_line_on_reading_reads(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """It is a command for a shell, also where a shell left `--out=~/r.parquet` as it was."""
    write_pictures(tmp_path / "files", 3)
    monkeypatch.chdir(tmp_path)
    done = in_process("classify", "files", "--bundle", bundle, "--out", name)
    found = READ.search(done.stderr)
    assert found is not None
    words = shlex.split(found[1])
    read = subprocess.run([sys.executable, *words[1:]], capture_output=True, text=True, check=True)
    assert "probability: float" in read.stdout


def test_a_bundle_with_thresholds_has_its_columns(familiar: Path, tags: Path, tmp_path: Path) -> None:
    """`unfamiliar` and `present`."""
    write_pictures(tmp_path / "files", 1)
    found = []
    for number, folder in enumerate((familiar, tags)):
        out = tmp_path / f"{number}.parquet"
        assert in_process("classify", tmp_path / "files", "--bundle", folder, "--out", out).returncode == 0
        found += rows(out)
    assert found[0]["unfamiliar"] is False
    assert [each["label"] for each in found[1]["present"]] == ["red"]


def test_shards_and_stores_are_arguments(bundle: Path, tmp_path: Path) -> None:
    """Named, or in a folder; tables in folders with --column; addresses of fsspec."""
    (tmp_path / "in").mkdir()
    write_tar(tmp_path / "in" / "s.tar", [("a.png", PICTURES[0])])
    write_parquet(tmp_path / "in" / "t.parquet", {"photo": PICTURES})
    out = tmp_path / "results.parquet"
    done = in_process("classify", f"file://{tmp_path}/in", "--column", "photo", "--bundle", bundle, "--out", out)
    assert done.returncode == 0, done.stderr
    assert [name.rpartition("/in/")[2] for name in names(out)] == ["s.tar/a.png", *(f"t.parquet#{n}" for n in range(3))]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--out", "results.csv"), "--out writes Parquet: name it results.parquet"),
        (("--out", "."), "--out writes Parquet: name it results.parquet"),
        (("--out", "s3://bucket/r.parquet"), "--out: the results go to a folder of this machine"),
        (("--out", "r.parquet", "--format", "csv"), "--out goes without --format"),
        (("--out", "r.parquet", "--dense"), "--out goes without --dense"),
        (("--out", "r.parquet", "--column", ""), "--column has no name"),
        (("--column", "image"), "--column goes with --out RESULTS.parquet"),
        (("--rows-per-part", "5"), "--rows-per-part goes with --out RESULTS.parquet"),
        (("s3://bucket/folder",), "s3://bucket/folder is an address"),
        (("s3://bucket/folder", "--out", "r.parquet"), "s3:// cannot be read: "),
        (("none", "--out", "r.parquet"), "there is no file or folder none"),
        (("empty", "--out", "r.parquet"), "no image found"),
        (("a.png", "--out", "a.png/r.parquet"), "--out a.png/r.parquet: Not a directory"),
    ],
)
def test_bad_arguments_are_refused_in_one_sentence(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], sentence: str
) -> None:
    """With exit status 2, and nothing is written."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.png").write_bytes(PICTURES[0])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "s3fs", None)
    first = () if arguments[0] in {"s3://bucket/folder", "none", "empty", "a.png"} else ("a.png",)
    done = in_process("classify", *first, *arguments, "--bundle", bundle)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert done.stderr.startswith(f"snellen: {sentence}")
    assert sorted(os.listdir()) == ["a.png", "empty"]


def test_without_pyarrow_the_extra_is_named(bundle: Path, tmp_path: Path) -> None:
    """In one sentence, before anything else."""
    write_pictures(tmp_path, 1)
    code = "import sys; sys.modules['pyarrow'] = None; from snellen.__main__ import main; main()"
    arguments = ["classify", str(tmp_path), "--bundle", str(bundle), "--out", str(tmp_path / "r.parquet")]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert done.stderr.startswith("snellen: --out: pyarrow not installed in ")
