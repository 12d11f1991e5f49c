"""What `snellen evaluate` and `snellen calibrate` share: the option for images, progress, and skipped files."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from snellen.output import printable

if TYPE_CHECKING:
    from training.data.warnings_list import SkippedFile

HeldOut = Annotated[
    str,
    typer.Option(
        "--data",
        help="Images that must not have been trained on: a folder of class folders or of IDX files, or a CSV table "
        "with the columns path and label.",
    ),
]


@contextmanager
def counted(total: int, what: str, console: Console) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on a terminal, and yield the function that counts further images."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=total)
        yield lambda images: progress.advance(task, images)


def print_skipped(skipped: "Sequence[SkippedFile]", console: Console) -> None:
    """Name the files that could not be read, the first ones each with its reason, and count the others."""
    from training.data.warnings_list import collect_warnings

    for line in collect_warnings(skipped).sentences():
        console.print(Text(printable(line), "yellow"), soft_wrap=True)
