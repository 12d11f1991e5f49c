"""The reliability diagram: accuracy against confidence."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from models.contract import ReliabilityBin
from training.evaluation.metrics import accuracy_interval

_SIZE_INCHES = (4.2, 5.4)
_BLUE, _RED, _GREY, _BLACK = "#63a0d4", "#c53030", "#718096", "#1a202c"


def reliability_figure(bins: Sequence[ReliabilityBin]) -> Figure:
    """Draw accuracy against confidence with the gap between them, and below it the number of images, logarithmic.

    The caller saves the figure, as with `figure.savefig("reliability.svg")`. Source: Guo et al., ICML 2017, figure 1.
    """
    figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    left, widths = [part.lower for part in bins], [part.upper - part.lower for part in bins]
    _draw_accuracy(above, bins, left, widths)
    below.bar(left, [part.images for part in bins], widths, align="edge", color=_GREY, edgecolor="white")
    below.set(xlabel="confidence (largest probability)", ylabel="images", yscale="log", ylim=(0.5, None))
    below.xaxis.set_major_formatter(PercentFormatter(xmax=1))
    figure.legend(loc="outside upper center", ncols=2, fontsize="small")
    return figure


def _draw_accuracy(axes: Axes, bins: Sequence[ReliabilityBin], left: list[float], widths: list[float]) -> None:
    accuracy = [part.accuracy for part in bins]
    gaps = [part.confidence - part.accuracy for part in bins]
    middles = [start + width / 2 for start, width in zip(left, widths, strict=True)]
    low, high = zip(*(accuracy_interval(part.accuracy, part.images) for part in bins), strict=True)
    axes.bar(left, accuracy, widths, align="edge", color=_BLUE, edgecolor="white", label="accuracy")
    axes.bar(left, gaps, widths, accuracy, align="edge", color=_RED, alpha=0.4, label="gap to mean confidence")
    axes.vlines(middles, low, high, color=_BLACK, linewidth=1, label="95 % interval of the accuracy")
    axes.plot((0, 1), (0, 1), linestyle="--", color=_GREY, label="perfectly calibrated")
    axes.set(xlim=(0, 1), ylim=(0, 1), ylabel="accuracy")
    axes.yaxis.set_major_formatter(PercentFormatter(xmax=1))
