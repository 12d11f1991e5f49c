"""The report of a bundle: from its inputs to one HTML file."""

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from models.contract import read_bundle
from training.errors import ReportError
from training.loop.held_out import read_run_config
from training.report.contents import CHAPTERS, Chapter
from training.report.inputs import ReportInputs, find_photos, open_graph
from training.report.labelled_data import open_proof_or_held_out
from training.report.overview import overview
from training.report.page import page
from training.report.section import Section
from training.report.training_curves import read_history


@dataclass(frozen=True)
class ReportConfig:
    """data: source of labelled images for `open_dataset`; run: folder of the training run; image: the photo to follow
    through the network.

    seed: of t-SNE, crops and inversions; the training decided which images were held out.
    """

    bundle: Path
    output: Path
    data: str | None = None
    run: Path | None = None
    image: Path | None = None
    seed: int = 0


def write_report(config: ReportConfig) -> Path:
    """Make the report and return its path; the same bundle, data and seed give the same file.

    Raises BundleError, ConfigurationError, DatasetError, ReportError before any long computation.
    """
    with _new_file(config.output) as staging:
        inputs = _open(config)
        with closing(_with_progress(CHAPTERS)) as chapters:  # the bar is removed before an error is printed
            sections = [
                Section(chapter.anchor, chapter.title, chapter.lead, chapter.make(inputs)) for chapter in chapters
            ]
        staging.write_text(page(overview(inputs), sections), encoding="utf-8")
    return config.output


def _open(config: ReportConfig) -> ReportInputs:
    """Open all inputs, those that can fail quickly first."""
    bundle = read_bundle(config.bundle)
    if config.run is not None:
        read_history(config.run)
    photos = find_photos(bundle, config.image)
    graph = open_graph(bundle)
    run = read_run_config(config.run)
    labelled = None if config.data is None else open_proof_or_held_out(config.data, bundle, run)
    if labelled is not None:
        Console(stderr=True).print(f"judged by {labelled.source}", highlight=False, markup=False, soft_wrap=True)
    return ReportInputs(bundle, graph, photos, labelled, config.run, config.seed)


def _with_progress(chapters: tuple[Chapter, ...]) -> Generator[Chapter]:
    """Yield the chapters; show a bar on a terminal, and one line per chapter elsewhere."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("report", total=len(chapters))
        for chapter in chapters:
            bar.update(task, description=chapter.title)
            if not console.is_terminal:
                console.print(chapter.title)
            yield chapter
            bar.advance(task)


@contextmanager
def _new_file(output: Path) -> Iterator[Path]:
    """Yield a file beside `output` that replaces it when the block ends without an error. Raises ReportError."""
    staging = output.with_name(f".{output.name}.new")
    try:
        if output.is_dir():
            raise IsADirectoryError(None, "it is a folder")
        staging.touch()
    except OSError as error:
        raise ReportError(f"--output {output} cannot be written: {error.strerror}") from error
    try:
        yield staging
        staging.replace(output)
    finally:
        staging.unlink(missing_ok=True)
