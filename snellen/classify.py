"""`snellen classify`: files and folders, offline, through the service's own decoder and engine."""

import csv
import json
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

if TYPE_CHECKING:
    from service.schemas import Prediction

SUFFIXES = (".jpg", ".jpeg", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif")


class Format(StrEnum):
    """How the answers are written."""

    TABLE = "table"
    JSONL = "jsonl"
    CSV = "csv"


class Classification(NamedTuple):
    """One file: its classes, most probable first, or why there are none."""

    path: Path
    predictions: "list[Prediction]"
    error: str | None = None


Write = Callable[[Iterable[Classification]], None]


def classify(
    paths: Annotated[list[Path], typer.Argument(help="image files, and folders that are searched for them")],
    bundle: Annotated[Path, typer.Option(help="folder of the bundle")] = Path("models/imagenet/1"),
    output_format: Annotated[Format, typer.Option("--format", help="how to write the answers")] = Format.TABLE,
    top_k: Annotated[int, typer.Option(min=1, help="classes for each image")] = 5,
    providers: Annotated[str, typer.Option(help="execution providers, as in cuda,cpu; empty: best installed")] = "",
    max_pixels: Annotated[int, typer.Option(min=1, help="largest image, width times height")] = 64_000_000,
) -> None:
    """Name what is in pictures; exit status 1 when a file could not be classified, 2 when none could be tried."""
    errors = Console(stderr=True)
    files = list(_files(paths))
    if not files:
        errors.print(f"no image found; files in folders count when they end in {', '.join(SUFFIXES)}", highlight=False)
        raise typer.Exit(2)
    run = _classifier(bundle, tuple(filter(None, providers.split(","))), top_k, max_pixels, errors)
    done = _with_progress(run(files), len(files), errors)
    failed = _Failures(errors)
    _WRITERS[output_format](failed.report(done))
    raise typer.Exit(1 if failed.count else 0)


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    """Files as named, and what looks like an image in folders, sorted."""
    for path in paths:
        if path.is_dir():
            yield from sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
        else:
            yield path


def _classifier(
    path: Path, providers: tuple[str, ...], top_k: int, max_pixels: int, errors: Console
) -> Callable[[list[Path]], Iterator[Classification]]:
    from models.contract import BundleError, read_bundle
    from service.decoding import Decoder
    from service.engine import EngineOptions, EngineRejected
    from service.offline import OfflineClassifier
    from service.settings import FORMATS, usable_cores
    from service.verification import open_verified

    try:
        bundle = read_bundle(path)
        engine = open_verified(bundle, EngineOptions(providers, cores=usable_cores()))
    except (BundleError, EngineRejected) as error:
        errors.print(f"snellen: {path}: {error}", highlight=False, soft_wrap=True)
        raise typer.Exit(2) from error
    offline = OfflineClassifier(bundle.manifest, Decoder(1, FORMATS, max_pixels), engine, top_k)
    return partial(_run, offline.classify, engine.concurrency)


def _run(one: "Callable[[bytes], list[Prediction]]", threads: int, files: list[Path]) -> Iterator[Classification]:
    """In the order of `files`, `threads` at a time, never more than a few read ahead."""
    waiting: deque[Future[Classification]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for file in files:
            waiting.append(pool.submit(_one, one, file))
            if len(waiting) > 4 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _one(classify_bytes: "Callable[[bytes], list[Prediction]]", file: Path) -> Classification:
    from service.errors import ServiceError

    try:
        return Classification(file, classify_bytes(file.read_bytes()))
    except OSError as error:
        return Classification(file, [], error.strerror or str(error))
    except ServiceError as error:
        return Classification(file, [], error.detail)


def _with_progress(done: Iterator[Classification], total: int, console: Console) -> Iterator[Classification]:
    columns = (TextColumn("classifying"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield from progress.track(done, total)


class _Failures:
    """Reports files that could not be classified as they come, and counts them."""

    def __init__(self, console: Console) -> None:
        self.count = 0
        self._console = console

    def report(self, done: Iterable[Classification]) -> Iterator[Classification]:
        for item in done:
            if item.error is not None:
                self.count += 1
                self._console.print(f"{item.path}: {item.error}", style="red", highlight=False, soft_wrap=True)
            yield item


def _write_table(done: Iterable[Classification]) -> None:
    table = Table("file", "class", "probability")
    for item in done:
        for index, prediction in enumerate(item.predictions):
            first = str(item.path) if index == 0 else ""
            table.add_row(first, prediction.label, f"{prediction.probability:.4f}")
        table.add_section()
    Console().print(table)


def _write_jsonl(done: Iterable[Classification]) -> None:
    for item in done:
        failed = item.error is not None
        answer = {"error": item.error} if failed else {"predictions": [p.model_dump() for p in item.predictions]}
        typer.echo(json.dumps({"path": str(item.path)} | answer, ensure_ascii=False))


def _write_csv(done: Iterable[Classification]) -> None:
    writer = csv.writer(sys.stdout)
    writer.writerow(["path", "rank", "class_id", "label", "probability", "error"])
    for item in done:
        for rank, p in enumerate(item.predictions, 1):
            writer.writerow([item.path, rank, p.class_id, p.label, p.probability, ""])
        if item.error is not None:
            writer.writerow([item.path, "", "", "", "", item.error])


_WRITERS: dict[Format, Write] = {Format.TABLE: _write_table, Format.JSONL: _write_jsonl, Format.CSV: _write_csv}
