"""Progress of a run: a bar on a terminal, and a line a minute elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

_LINE_S = 60.0
"""Seconds from one line to the next."""


class Rate:
    """Counts images, and tells the rate of this process and the time left."""

    def __init__(self, images: int, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        """images: classified before. total: of the run. clock: seconds."""
        self.images, self.total = images, total
        self._before = images
        self._clock = clock
        self._began = clock()

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._began

    @property
    def per_second(self) -> float:
        """Images per second of this process, 0 before the first one."""
        return (self.images - self._before) / self.seconds if self.seconds > 0 else 0.0

    def line(self) -> str:
        """Return a line of text with all of that."""
        rate = self.per_second
        left = f"{timedelta(seconds=round((self.total - self.images) / rate))} left" if rate else "time left unknown"
        return f"{self.images:,} of {self.total:,} images, {rate:.1f} images/s, {left}"


class _RateColumn(ProgressColumn):
    def __init__(self, rate: Rate) -> None:
        super().__init__()
        self._rate = rate

    def render(self, _task: Task) -> Text:
        return Text(f"{self._rate.per_second:.1f} images/s")


@contextmanager
def progress_shown(rate: Rate, console: Console) -> Iterator[Callable[[int], None]]:
    """Show progress during the block; give a function that is called with the number of images done since."""
    if console.is_terminal:
        columns = (TextColumn("classifying"), BarColumn(), MofNCompleteColumn(), _RateColumn(rate))
        with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
            task = bar.add_task("", total=rate.total, completed=rate.images)

            def advance(images: int) -> None:
                rate.images += images
                bar.update(task, completed=rate.images)

            yield advance
        return
    lines = _Lines(rate)
    yield lines.advance


class _Lines:
    """Prints a line a minute."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._next_s = _LINE_S

    def advance(self, images: int) -> None:
        self._rate.images += images
        if self._rate.seconds >= self._next_s:
            self._next_s = self._rate.seconds + _LINE_S
            typer.echo(f"snellen: {self._rate.line()}", err=True)
