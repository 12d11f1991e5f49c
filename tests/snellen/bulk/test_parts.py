"""The output folder."""

import errno
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from snellen.bulk.errors import Refused, Stopped
from snellen.bulk.inputs import Listing
from snellen.bulk.parts import Job, Options, Output

SCHEMA = pa.schema([("path", pa.string())])
OPTIONS = Options(
    bundle="colours/1",
    manifest="0" * 64,
    precision="fp32",
    provider="cpu",
    top_k=5,
    max_pixels=100,
    max_bytes=100,
    heic=False,
    column=None,
    rows_per_part=10,
)
INPUTS = Listing(files=25, sha256="1" * 64)
ARGUMENTS = ["photos", "more"]


def begun(output: Output) -> Job:
    with output.locked():
        return output.begin(lambda path: path.write_text("the list") and 25, OPTIONS, ARGUMENTS, lambda: INPUTS)


def write_part(output: Output, job: Job, part: int) -> None:
    with output.writer(job, part, SCHEMA) as writer:
        count = job.rows(part)
        writer.write(pa.table({"path": ["a"] * count}, schema=SCHEMA), Counter({"corrupt image": part}))


@pytest.fixture
def output(tmp_path: Path) -> Output:
    return Output(tmp_path / "deep" / "results.parquet")


def test_a_part_appears_when_it_is_whole(output: Output) -> None:
    """Gaps are known, and failures are counted over all parts."""
    job = begun(output)
    assert (job.parts, [job.rows(part) for part in range(3)]) == (3, [10, 10, 5])
    assert output.missing(job) == [0, 1, 2]
    write_part(output, job, 1)
    assert output.missing(job) == [0, 2]
    write_part(output, job, 0)
    write_part(output, job, 2)
    assert output.missing(job) == []
    assert output.failures(job) == Counter({"corrupt image": 3})
    assert pq.read_table(output.folder).num_rows == 25
    assert output.job() == job


def test_a_file_system_without_locks_is_named(output: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not taken for another process that writes."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EBADF, "Bad file descriptor")

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(Refused, match="cannot be locked: Bad file descriptor"), output.locked():
        pass


def test_a_part_that_fails_leaves_nothing(output: Output) -> None:
    """Neither under its name nor under another one."""
    job = begun(output)
    before = sorted(output.folder.iterdir())
    with pytest.raises(ValueError, match="no more"), output.writer(job, 0, SCHEMA) as writer:
        writer.write(pa.table({"path": ["a"]}, schema=SCHEMA), Counter())
        raise ValueError("no more")
    assert sorted(output.folder.iterdir()) == before


def test_a_folder_that_cannot_be_written_stops_the_run(output: Output) -> None:
    """In one sentence."""
    job = begun(output)
    shutil.rmtree(output.folder)
    with pytest.raises(Stopped, match="part-00000.parquet cannot be written: No such file or directory; mend that"):
        write_part(output, job, 0)


def test_without_images_nothing_is_left(output: Output) -> None:
    """No folder either."""
    with pytest.raises(Refused, match="no image found"), output.locked():
        output.begin(lambda path: path.write_text("") and 0, OPTIONS, ARGUMENTS, lambda: INPUTS)
    assert not output.folder.exists()


def test_more_parts_than_names_that_sort_are_refused(output: Output) -> None:
    """With the number that is enough, and nothing is left."""
    few = OPTIONS.model_copy(update={"rows_per_part": 2})
    with pytest.raises(Refused, match="more than 100,000 parts: give --rows-per-part 3 or more"), output.locked():
        output.begin(lambda path: path.write_text("list") and 200_001, few, ARGUMENTS, lambda: INPUTS)
    assert not output.folder.exists()


@pytest.mark.parametrize(
    ("options", "arguments", "sentence"),
    [
        (
            {"top_k": 3},
            ARGUMENTS,
            "another value of --top-k: 5 then, 3 now; give what it was begun with, or another --out",
        ),
        ({"rows_per_part": 3}, ARGUMENTS, "another value of --rows-per-part: 10 then, 3 now"),
        ({"manifest": "2" * 64}, ARGUMENTS, "another value of the files of the bundle; give"),
        ({"provider": "cuda"}, ARGUMENTS, "another value of --providers: cpu then, cuda now"),
        ({}, ["photos"], "other arguments: more then, nothing now; give"),
        ({}, ["more", "photos"], "other arguments: photos then, more now"),
    ],
)
def test_what_differs_is_named(output: Output, options: dict[str, object], arguments: list[str], sentence: str) -> None:
    """And what to do."""
    job = begun(output)
    output.check_same(job, OPTIONS, ARGUMENTS)
    with pytest.raises(Refused, match=sentence):
        output.check_same(job, OPTIONS.model_copy(update=options), arguments)


def no_parquet(output: Output, _job: Job) -> None:
    output.path_of(0).write_text("no Parquet")


def of_another_run(output: Output, job: Job) -> None:
    write_part(output, job.model_copy(update={"images": 24}), 0)


@pytest.mark.parametrize("spoil", [no_parquet, of_another_run])
def test_a_part_of_something_else_is_refused(output: Output, spoil: Callable[[Output, Job], None]) -> None:
    """Never counted as whole."""
    job = begun(output)
    spoil(output, job)
    with pytest.raises(Refused, match=r"part-00000\.parquet .*: remove it, and it is made again"):
        output.missing(job)


def test_a_folder_of_other_files_is_refused(tmp_path: Path) -> None:
    """And a file, and a job that cannot be read; all of them stay as they are."""
    (tmp_path / "photo.png").touch()
    with pytest.raises(Refused, match="holds other files"), Output(tmp_path).locked():
        pass
    with pytest.raises(Refused, match="File exists; name another folder"), Output(tmp_path / "photo.png").locked():
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["photo.png"]
    (tmp_path / "_snellen.json").write_text("{}")
    with pytest.raises(Refused, match=r"_snellen\.json cannot be read"):
        Output(tmp_path).job()


def test_one_process_writes_a_folder_at_a_time(output: Output) -> None:
    """The other one is refused, and removes nothing."""
    with output.locked():
        output.begin(lambda path: path.write_text("x") and 25, OPTIONS, ARGUMENTS, lambda: INPUTS)
        with pytest.raises(Refused, match="another process writes"), Output(output.folder).locked():
            pass
    with output.locked():
        assert output.job() is not None


def test_what_a_killed_process_left_is_removed(output: Output) -> None:
    """At the next start."""
    begun(output)
    (output.folder / "_unfinished-part-00000.parquet").touch()
    with output.locked():
        assert sorted(path.name for path in output.folder.iterdir()) == ["_inputs.arrow", "_snellen.json"]
