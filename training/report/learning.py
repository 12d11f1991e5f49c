"""How the training went, epoch by epoch."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter
from pydantic import TypeAdapter, ValidationError

from training.loop.journal import HISTORY, Epoch
from training.report.charts import chart, panels, styled
from training.report.errors import ReportError
from training.report.palette import LIGHT
from training.report.section import Content, Figure, Gallery
from training.report.subject import Subject

_EPOCH = TypeAdapter(Epoch)


def learning_curves(subject: Subject) -> Content:
    if subject.run is None:
        return Content(missing="There is no run folder with a history of this bundle's training: name it with --run.")
    history = read_history(subject.run)
    best = min(history, key=lambda epoch: epoch.nll)
    alt = (
        f"Learning curves of {len(history)} epochs. The lowest validation loss is {best.nll:.4f}, in epoch "
        f"{best.epoch}, with an accuracy of {best.accuracy:.2%}."
    )
    return Content([Gallery([Figure(_draw(history, best, alt))], "full")])


def read_history(run: Path) -> list[Epoch]:
    """The epochs, in order. Raises ReportError when the file is missing, empty or not such a history."""
    path = run / HISTORY
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        history = [_EPOCH.validate_json(line) for line in lines if line.strip()]
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise ReportError(f"{path} is not a readable history of epochs: choose another folder with --run") from error
    if not history:
        raise ReportError(f"{path} has no epochs yet: wait for the first one, or choose another folder with --run")
    return history


@styled
def _draw(history: Sequence[Epoch], best: Epoch, alt: str) -> Markup:
    figure, (loss, accuracy, rate, speed) = panels(4, columns=2, size=(4.6, 2.7))
    waiting = sum(each.data_wait for each in history) / len(history)
    _line(loss, history, "loss", "soft", "training, augmented")
    _line(loss, history, "nll", "right", "validation")
    _line(accuracy, history, "accuracy", "right", f"{best.accuracy:.2%} in the best epoch")
    _line(rate, history, "lr", "cool")
    _line(speed, history, "images_per_s", "cool", f"{waiting:.1%} of the time waiting for data")
    titles = "Loss (nats)", "Validation accuracy", "Learning rate", "Images a second"
    for axes, title in zip((loss, accuracy, rate, speed), titles, strict=True):
        axes.set_title(title)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=7))
        axes.margins(x=0.02)
        if axes.get_legend_handles_labels()[1]:
            axes.legend(fontsize=9)
    for axes in (loss, accuracy):
        axes.axvline(best.epoch, color=LIGHT["wrong"], linewidth=1, linestyle=(0, (2, 2)))
    accuracy.yaxis.set_major_formatter(PercentFormatter(1))
    speed.set_ylim(0, 1.15 * max(each.images_per_s for each in history))
    return chart(figure, "learning", alt)


def _line(axes: Axes, history: Sequence[Epoch], name: str, colour: str, label: str | None = None) -> None:
    epochs, values = [each.epoch for each in history], [getattr(each, name) for each in history]
    short = len(history) < 40 and all(a < b for a, b in pairwise(epochs))
    axes.plot(epochs, values, color=LIGHT[colour], label=label, marker="o" if short else "", markersize=3.5)
