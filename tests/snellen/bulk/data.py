"""Images in folders, tar shards and Parquet files, and what a run of `snellen classify --out` wrote."""

import io
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from models.contract import IMAGE_SUFFIXES
from snellen.bulk.sources import Sources
from tests.support.pictures import BLUE, GREEN, RED, picture

PICTURES = [picture(colour) for colour in (RED, GREEN, BLUE)]
LABELS = ["red", "green", "blue"]


def write_pictures(folder: Path, count: int) -> list[str]:
    """Write red, green and blue pictures in turn, 1,000 in each folder; return their paths in order."""
    paths = [folder / f"{index // 1000:03d}" / f"{index:06d}.png" for index in range(count)]
    for index, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(PICTURES[index % 3])
    return [str(path) for path in paths]


def write_tar(path: Path, members: Sequence[tuple[str, bytes]]) -> Path:
    """Write a shard; a name may occur twice."""
    with tarfile.open(path, "w") as archive:
        for name, body in members:
            info = tarfile.TarInfo(name)
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
    return path


def write_parquet(path: Path, columns: Mapping[str, Sequence[object]], group_rows: int = 4) -> Path:
    """Write a Parquet file of several row groups."""
    pq.write_table(pa.table(dict(columns)), path, row_group_size=group_rows)
    return path


def sources(*arguments: object, column: str | None = None, output: Path = Path("results.parquet")) -> Sources:
    """Return the sources of these arguments."""
    return Sources(tuple(map(str, arguments)), IMAGE_SUFFIXES, column, output)


def rows(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of all parts, as a reader of Parquet sees the folder."""
    found: list[dict[str, Any]] = pq.read_table(folder).to_pylist()
    return found
