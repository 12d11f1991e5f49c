"""Parts of a run are classified."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import fsspec
import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from models.contract import FORMATS, read_bundle
from service.decoding.decode import DecodeLimits
from service.engine.onnx_engine import OnnxEngine
from service.engine.providers import EngineOptions
from service.inference.offline import OfflineClassifier
from snellen.bulk.inputs import FileDigest, write_list
from snellen.bulk.parts import Output
from snellen.bulk.run import classify_parts
from snellen.bulk.sources import PassedOver, Sources
from tests.snellen.bulk.data import LABELS, PICTURES, rows, sources, write_parquet, write_pictures, write_tar
from tests.snellen.bulk.test_parts import OPTIONS

LIMITS = DecodeLimits(FORMATS, 10_000)


@contextmanager
def classifier(bundle: Path) -> Iterator[OfflineClassifier]:
    opened = read_bundle(bundle)
    options = EngineOptions(cores=2)
    engine = OnnxEngine(opened.model_path(options.precision), opened.manifest, options)
    yield OfflineClassifier(opened.manifest, LIMITS, engine, 2)
    engine.close()


def begin(output: Output, found: Sources, rows_per_part: int, max_bytes: int = 10_000, top_k: int = 2) -> int:
    """Begin a run and return the number of its parts."""
    options = OPTIONS.model_copy(update={"rows_per_part": rows_per_part, "max_bytes": max_bytes, "top_k": top_k})
    passed_over, digest = PassedOver(), FileDigest()
    files = digest.passing(found.files(passed_over))
    with output.locked():
        write = partial(write_list, found.images(files, passed_over))
        job = output.begin(write, options, found.names, lambda: digest.listing)
    return job.parts


def test_folders_shards_tables_and_stores_become_rows(bundle: Path, tmp_path: Path) -> None:
    """In their order, each image once, whatever it comes from and wherever parts begin."""
    files = write_pictures(tmp_path / "files", 10)
    shard = write_tar(tmp_path / "s.tar", [(f"{index}.png", PICTURES[index % 3]) for index in range(10)])
    values = [{"bytes": PICTURES[index % 3], "path": "x"} for index in range(10)]
    table = write_parquet(tmp_path / "t.parquet", {"image": values})
    store = fsspec.filesystem("memory")
    for index in range(10):
        store.pipe(f"/run/{index}.png", PICTURES[index % 3])
    store.pipe("/shard/s.tar", shard.read_bytes())
    store.pipe("/shard/t.parquet", table.read_bytes())
    remote = ("memory://run", "memory://shard/s.tar", "memory://shard/t.parquet")
    output, counted = Output(tmp_path / "results.parquet"), list[int]()
    parts = begin(output, sources(tmp_path / "files", shard, table, *remote), rows_per_part=7)
    with classifier(bundle) as offline:
        classify_parts(offline, output, range(parts), batch=4, on_classified=counted.append)
    found = rows(output.folder)
    places = (f"{shard}/{{}}.png", f"{table}#{{}}")
    stores = ("memory://run/{}.png", "memory://shard/s.tar/{}.png", "memory://shard/t.parquet#{}")
    names = [each.format(index) for each in (*places, *stores) for index in range(10)]
    assert [row["path"] for row in found] == [*files, *names]
    assert [row["label"] for row in found] == [LABELS[index % 3] for index in range(10)] * 6
    assert {len(row["predictions"]) for row in found} == {2}
    assert (parts, sum(counted)) == (9, 60)


def test_one_bad_image_does_not_spoil_its_batch(bundle: Path, tmp_path: Path) -> None:
    """Bad bytes, too many pixels, too many bytes and no file are rows with an error among the others."""
    files = [Path(each) for each in write_pictures(tmp_path / "files", 9)]
    files[1].write_bytes(b"no picture")
    files[4].write_bytes(PICTURES[0] + bytes(10_000))
    output = Output(tmp_path / "results.parquet")
    begin(output, sources(tmp_path / "files"), rows_per_part=100)
    files[7].unlink()
    with classifier(bundle) as offline:
        classify_parts(replace(offline, limits=DecodeLimits(FORMATS, 1200)), output, [0], batch=8)
    found = rows(output.folder)
    assert [row["label"] for row in found] == ["red", None, "blue", "red", None, "blue", "red", None, "blue"]
    errors = [row["error"] for row in found if row["error"] is not None]
    assert len(errors) == 3
    assert "larger than 10000 bytes" in errors[1]
    assert errors[2] == "No such file or directory"


def test_only_the_parts_that_were_asked_for_are_made(bundle: Path, tmp_path: Path) -> None:
    """Several processes can share a run, and gaps are filled. A part has the same rows, whichever process makes it."""
    write_pictures(tmp_path / "files", 25)
    output = Output(tmp_path / "results.parquet")
    begin(output, sources(tmp_path / "files"), rows_per_part=10)
    with classifier(bundle) as offline:
        classify_parts(offline, output, [1])
        first = output.path_of(1).read_bytes()
        classify_parts(offline, output, [0, 2])
        assert len(rows(output.folder)) == 25
        classify_parts(offline, output, [1])
    assert output.path_of(1).read_bytes() == first


def test_few_rows_with_many_classes_are_in_memory(bundle: Path, tmp_path: Path) -> None:
    """Rows of all classes of a large network are written in small groups, which come to the same table."""
    write_pictures(tmp_path / "files", 25)
    output = Output(tmp_path / "results.parquet")
    begin(output, sources(tmp_path / "files"), rows_per_part=25, top_k=20_000)
    with classifier(bundle) as offline:
        classify_parts(offline, output, [0])
    groups = pq.read_metadata(output.path_of(0))
    assert [groups.row_group(index).num_rows for index in range(groups.num_row_groups)] == [10, 10, 5]
    assert [row["label"] for row in rows(output.folder)] == [LABELS[index % 3] for index in range(25)]


MEASURED = """
import sys
from pathlib import Path
from tests.snellen.bulk.test_run import begin, classifier
from tests.snellen.bulk.data import sources
from snellen.bulk.parts import Output
from snellen.bulk.run import classify_parts

bundle, files, folder = map(Path, sys.argv[1:])
output = Output(folder)
parts = begin(output, sources(files), rows_per_part=1000)

def note(images):
    words = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    print(words["VmRSS"].split()[0])

with classifier(bundle) as offline:
    classify_parts(offline, output, range(parts), batch=8, on_classified=note)
"""


def test_memory_is_the_same_at_the_end_of_ten_thousand_files(bundle: Path, tmp_path: Path) -> None:
    """The peak of the last quarter is at most 16 MiB above that of the first one."""
    write_pictures(tmp_path / "files", 10_000)
    places = (bundle, tmp_path / "files", tmp_path / "results.parquet")
    command = [sys.executable, "-c", MEASURED, *map(str, places)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    resident: NDArray[np.int64] = np.array([int(line) for line in done.stdout.split()])
    quarter = len(resident) // 4
    assert len(resident) == 10_000 // 8
    assert resident[-quarter:].max() - resident[:quarter].max() < 16 * 1024
    assert len({row["path"] for row in rows(tmp_path / "results.parquet")}) == 10_000


def test_neither_the_service_nor_the_command_without_out_loads_this_package() -> None:
    """Since it needs pyarrow."""
    code = (
        "import sys, service.app, snellen.__main__\n"
        "found = [name for name in sys.modules if name.startswith(('snellen.bulk', 'pyarrow', 'fsspec'))]\n"
        "sys.exit(repr(found) if found else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
