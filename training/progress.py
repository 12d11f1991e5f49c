"""Progress of a long run: a bar with rate and time left on a terminal, one line per epoch elsewhere."""

from time import monotonic
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

_WIDE = 100
"""Characters of a line from which on there is room for the bar and the time elapsed beside the numbers."""


class ProgressDisplay:
    """Context manager that counts images and shows the progress on stderr.

    images: number of images of the whole run; done: images processed before the run was resumed. Leaving the context
    restores the terminal, also after Ctrl-C.
    """

    def __init__(self, images: int, console: Console | None = None, *, done: int = 0, quiet: bool = False) -> None:
        self._console = console or Console(stderr=True, quiet=quiet)
        wide = self._console.width >= _WIDE
        self._bar = Progress(
            TextColumn("{task.description}"),
            *((BarColumn(),) if wide else ()),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            *((TextColumn("elapsed"), TimeElapsedColumn()) if wide else ()),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("training", total=images, completed=done, rate="")
        self._images, self._done, self._started = images - done, 0, monotonic()

    def __enter__(self) -> Self:
        self._bar.start()
        self._started = monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def advance(self, images: int) -> None:
        """Count `images` more images."""
        self._done += images
        self._bar.update(self._task, advance=images, rate=f"{self.rate:.0f} images/s")

    @property
    def rate(self) -> float:
        """Images per second since the start of this process."""
        return self._done / max(monotonic() - self._started, 1e-9)

    def print_line(self, line: str) -> None:
        """Print a line above the bar; without a terminal, print it with the rate and the time left.

        Before any image was seen, as where a run is resumed after the last step of an epoch, there is no rate.
        """
        if not self._console.is_terminal and self._done:
            left_s = (self._images - self._done) / max(self.rate, 1e-9)
            line = f"{line}, {self.rate:.0f} images/s, {left_s / 60:.1f} min left"
        self._console.print(line, highlight=False, soft_wrap=True)
