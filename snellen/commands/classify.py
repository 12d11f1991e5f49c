"""`snellen classify`: classification of files and folders without a server, with the service's decoder and engine."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from snellen import image_files
from snellen.dense_output import DENSE_WRITERS
from snellen.extras import missing_sentence
from snellen.offline import Opening, open_offline
from snellen.options import Providers, exit_with_error, provider_names, service_default
from snellen.output import WRITERS, Failures, FileResult, Format, path_text, printable
from snellen.repository import bundle_folder, default_bundle

if TYPE_CHECKING:
    from service.api.v1.rendering import ResponseWriter
    from service.inference.offline import OfflineClassifier


def classify(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="PATHS",
            help="image files, and folders that are searched for them; with --out also tar shards, Parquet files, "
            "and addresses such as s3://bucket/folder",
        ),
    ],
    bundle: Annotated[
        Path | None,
        typer.Option(
            metavar="BUNDLE",
            rich_help_panel="Model",
            help="bundle: its folder, or its name as in imagenet or imagenet/1; unset: as the service",
        ),
    ] = None,
    output_format: Annotated[
        Format, typer.Option("--format", rich_help_panel="Answers", help="how to write the answers")
    ] = Format.TABLE,
    top_k: Annotated[
        int | None, typer.Option(rich_help_panel="Answers", min=1, help="classes; unset: 5, and 1 for each cell")
    ] = None,
    dense: Annotated[
        bool,
        typer.Option("--dense", rich_help_panel="Answers", help="classify every part of large images, at their scale"),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="RESULTS.parquet",
            rich_help_panel="Many images",
            help="write Parquet files to this folder, or go on after those it holds: pip install 'snellen[bulk]'",
        ),
    ] = None,
    rows_per_part: Annotated[
        int | None,
        typer.Option(
            metavar="ROWS",
            rich_help_panel="Many images",
            min=1,
            help="images in each file that is written; unset: 10,000",
        ),
    ] = None,
    column: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            rich_help_panel="Many images",
            help="read Parquet files in folders too; the column that holds the images; unset: image, for named files",
        ),
    ] = None,
    on_ray: Annotated[
        bool,
        typer.Option(
            "--ray",
            rich_help_panel="Many images",
            help="with --out: classify on the Ray cluster of RAY_ADDRESS, or here: pip install 'snellen[ray]'",
        ),
    ] = False,
    providers: Providers = "",
    heic: Annotated[
        bool, typer.Option("--heic", rich_help_panel="Limits", help="read HEIC too: pip install 'snellen[heic]'")
    ] = False,
    max_pixels: Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS",
            rich_help_panel="Limits",
            min=1,
            help="largest image; unset: as the service; with --dense memory grows with it",
        ),
    ] = None,
    max_bytes: Annotated[
        int | None,
        typer.Option(
            metavar="BYTES", rich_help_panel="Limits", min=1, help="largest file; unset: as the service's bodies"
        ),
    ] = None,
) -> None:
    """Name what is in pictures; exit status 1 when a file could not be classified, 2 when none could be tried."""
    if heic and (missing := missing_sentence("heic")):
        exit_with_error(f"--heic: {missing}", status=2)
    from models.contract import HEIC_SUFFIXES, IMAGE_SUFFIXES

    suffixes = IMAGE_SUFFIXES + (HEIC_SUFFIXES if heic else ())
    names = provider_names(providers)
    folder = bundle_folder(bundle) if bundle is not None else default_bundle()
    if out is not None:
        _refuse_with_out(out, output_format, dense=dense, on_ray=on_ray)
        if column == "":
            exit_with_error("--column has no name: write the column that holds the images", status=2)
        from snellen.bulk.batch_size import LARGEST
        from snellen.bulk.command import ROWS_PER_PART, BulkOptions, classify_into
        from snellen.bulk.sources import Sources

        opening = Opening(folder, names, top_k, max_pixels, heic, largest=LARGEST)
        sources = Sources(tuple(inputs), suffixes, column, out)
        options = BulkOptions(out, rows_per_part or ROWS_PER_PART, column, on_ray)
        limit = max_bytes or service_default("max_body_bytes")
        classify_into(_open(opening), opening, sources, options, max_bytes=limit)
    paths = _local_paths(inputs, rows_per_part, column, on_ray=on_ray)
    files = image_files.find_images(paths, suffixes)
    found = files.images
    advice = "; convert HEIC photos to JPEG, or read them with --heic" if files.heic else ""
    if not found:
        exit_with_error(
            f"no image found; files in folders count when they end in {', '.join(suffixes)}{advice}", status=2
        )
    if files.passed_over:
        typer.echo(f"snellen: {printable(files.passed_over)}{advice}", err=True)
    if files.left_behind:
        typer.echo(f"snellen: {printable(files.left_behind)}", err=True)
    from service.api.v1.rendering import ResponseWriter

    classifier = _open(Opening(folder, names, top_k, max_pixels, heic, dense))
    limit = max_bytes or service_default("max_body_bytes")
    writer = ResponseWriter(classifier.manifest)
    results = _in_order(
        lambda file: _classify_file(classifier, writer, file, limit), found, classifier.engine.concurrency
    )
    console = Console(stderr=True)
    failures = Failures(console)
    writers = DENSE_WRITERS if dense else WRITERS
    writers[output_format](failures.report(_with_progress(results, len(found), console)))
    raise typer.Exit(1 if failures.count else 0)


def _refuse_with_out(out: Path, output_format: Format, *, dense: bool, on_ray: bool) -> None:
    """End the command with status 2 for options that do not go with --out, and where its packages are missing."""
    if dense or output_format is not Format.TABLE:
        exit_with_error(
            f"--out goes without {'--dense' if dense else '--format'}: it writes one row an image", status=2
        )
    if out.parts[:1] and out.parts[0].endswith(":"):  # Path makes s3:/bucket of s3://bucket
        exit_with_error("--out: the results go to a folder of this machine, not to an address: name one", status=2)
    if out.suffix != ".parquet":
        better = out.with_suffix(".parquet") if out.name else out / "results.parquet"
        exit_with_error(f"--out writes Parquet: name it {path_text(better)}", status=2)
    if missing := missing_sentence("bulk"):
        exit_with_error(f"--out: {missing}", status=2)
    if on_ray and (missing := missing_sentence("ray")):
        exit_with_error(f"--ray: {missing}", status=2)


def _local_paths(inputs: list[str], rows_per_part: int | None, column: str | None, *, on_ray: bool) -> list[Path]:
    """Return the arguments as paths. Ends the command with status 2 for what only --out reads."""
    for name, value in (("--rows-per-part", rows_per_part), ("--column", column), ("--ray", on_ray or None)):
        if value is not None:
            exit_with_error(f"{name} goes with --out RESULTS.parquet", status=2)
    if remote := next((each for each in inputs if "://" in each), None):
        exit_with_error(f"{remote} is an address: these are read with --out RESULTS.parquet", status=2)
    return [Path(each) for each in inputs]


def _open(how: Opening) -> "OfflineClassifier":
    """Open the bundle on all cores. Ends the command with status 2 where it cannot be used."""
    from models.contract import BundleError, usable_cores
    from service.engine.session import EngineRejected
    from service.errors import NotDense

    try:
        return open_offline(how, usable_cores())
    except (BundleError, EngineRejected, NotDense) as error:
        exit_with_error(f"{path_text(how.folder)}: {error}", status=2)


def _in_order(work: Callable[[Path], FileResult], paths: list[Path], threads: int) -> Iterator[FileResult]:
    """Yield the results in the order of `paths`, computed by `threads` threads that read only a few files ahead."""
    waiting: deque[Future[FileResult]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for path in paths:
            waiting.append(pool.submit(work, path))
            if len(waiting) > 4 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _classify_file(classifier: "OfflineClassifier", writer: "ResponseWriter", path: Path, max_bytes: int) -> FileResult:
    from service.api.v1.schemas import Result
    from service.errors import ServiceError

    try:
        answer = writer.result(classifier.classify(image_files.read_image(path, max_bytes)))
        return FileResult(path, Result.model_validate_json(answer))
    except OSError as error:
        return FileResult(path, None, error.strerror or str(error))
    except ServiceError as error:
        return FileResult(path, None, error.detail)


def _with_progress(results: Iterator[FileResult], total: int, console: Console) -> Iterator[FileResult]:
    columns = (TextColumn("classifying"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield from progress.track(results, total)
