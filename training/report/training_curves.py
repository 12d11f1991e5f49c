"""Loss, accuracy, learning rate and speed of the training, by epoch."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from markupsafe import Markup
from matplotlib.ticker import MaxNLocator, PercentFormatter
from pydantic import TypeAdapter, ValidationError

from training.errors import ReportError
from training.loop.history import HISTORY, EpochRecord
from training.report.charts import canvas, chart, styled
from training.report.inputs import ReportInputs
from training.report.palette import LIGHT
from training.report.section import Content, Figure, Gallery

_EPOCH = TypeAdapter(EpochRecord)
_DOTS = 40
"""Number of epochs from which on lines have no markers."""


class Line(NamedTuple):
    """field: of an epoch; colour: its name in the palette."""

    field: str
    colour: str
    label: str = ""


def training_curves(inputs: ReportInputs) -> Content:
    """Return the chapter on the training."""
    if inputs.run is None:
        return Content(missing="There is no run folder with a history of this bundle's training: name it with --run.")
    return Content([Gallery(curves(read_history(inputs.run)), "half")])


def read_history(run: Path) -> list[EpochRecord]:
    """Return the epochs in order. Raises ReportError when the file is missing, empty or not a history."""
    path = run / HISTORY
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        history = [_EPOCH.validate_json(line) for line in lines if line.strip()]
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise ReportError(f"{path} is not a readable history of epochs: choose another folder with --run") from error
    if not history:
        raise ReportError(f"{path} has no epochs yet: wait for the first one, or choose another folder with --run")
    return history


def curves(history: Sequence[EpochRecord]) -> list[Figure]:
    """Draw loss, accuracy, learning rate and speed; the dashed line is the last epoch with the highest validation
    accuracy.
    """
    best = max(history, key=lambda each: (each.accuracy, each.epoch))
    waiting = sum(each.data_wait for each in history) / len(history)
    panels: dict[str, list[Line]] = {
        "Loss (nats)": [Line("loss", "soft", "training, augmented"), Line("nll", "right", "validation")],
        "Validation accuracy": [Line("accuracy", "right", f"{best.accuracy:.2%} in epoch {best.epoch}")],
        "Learning rate": [Line("lr", "cool")],
        "Images a second": [Line("images_per_s", "cool", f"{waiting:.1%} of the time waiting for data")],
    }
    return [Figure(_panel(history, best.epoch, title, lines)) for title, lines in panels.items()]


@styled
def _panel(history: Sequence[EpochRecord], best: int, title: str, lines: Sequence[Line]) -> Markup:
    figure, axes = canvas(4.8, 3.0)
    for line in lines:
        values = [getattr(each, line.field) for each in history]
        marker = "o" if len(history) < _DOTS else ""
        axes.plot(
            _epochs(history), values, marker=marker, markersize=3.5, color=LIGHT[line.colour], label=line.label or None
        )
    axes.set_title(title)
    axes.axvline(best, color=LIGHT["wrong"], linewidth=1, linestyle=(0, (2, 2)))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=7))
    if title == "Validation accuracy":
        axes.yaxis.set_major_formatter(PercentFormatter(1))
    if title == "Images a second":
        axes.set_ylim(0, 1.15 * max(each.images_per_s for each in history))
    if lines[0].label:
        axes.legend(fontsize=9)
    first, last = (getattr(history[end], lines[-1].field) for end in (0, -1))
    alt = f"{title} over {len(history)} epochs, at first {first:.4g}, at last {last:.4g}; the best epoch is {best}."
    return chart(figure, lines[0].field, alt)


def _epochs(history: Sequence[EpochRecord]) -> list[int]:
    return [each.epoch for each in history]
