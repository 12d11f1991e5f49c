"""What `snellen evaluate` and `snellen calibrate` share: bundle and images to open, progress, and skipped files."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from snellen.options import exit_with_error
from snellen.output import path_text, printable
from snellen.repository import refuse_model_folder

if TYPE_CHECKING:
    from models.contract import Bundle
    from training.data.held_out_images import ImageSource
    from training.data.warnings_list import SkippedFile

HELD_OUT = typer.Option(
    "--data",
    metavar="FOLDER",
    help="Images that must not have been trained on: a folder of class folders or of IDX files, or a table "
    "with the columns path and label.",
)
HeldOut = Annotated[str, HELD_OUT]


def open_bundle(path: Path) -> "Bundle":
    """Return the bundle in a folder, all hashes checked. Ends the command with status 2 where it is none."""
    from models.contract import BundleError, read_bundle

    refuse_model_folder(path)
    try:
        bundle = read_bundle(path)
        bundle.check_files()
    except BundleError as error:
        exit_with_error(f"{path_text(path)}: {error}", status=2)
    return bundle


@contextmanager
def counted(total: int, what: str, console: Console) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on a terminal, and yield the function that counts further images."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=total)
        yield lambda images: progress.advance(task, images)


def print_notes(images: "ImageSource", console: Console) -> None:
    """Print how the source of the images was read, where that is not what it says letter by letter."""
    for note in images.notes:
        console.print(Text(printable(note), "yellow"), soft_wrap=True)


def print_skipped(skipped: "Sequence[SkippedFile]", console: Console) -> None:
    """Name the files that could not be read, the first ones each with its reason, and count the others."""
    from training.data.warnings_list import collect_warnings

    for line in collect_warnings(skipped).sentences():
        console.print(Text(printable(line), "yellow"), soft_wrap=True)
