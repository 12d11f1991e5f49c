"""The reliability diagram: how often the network is right where it says that it is 80 % sure."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from models.contract import ReliabilityBin

_SIZE_INCHES = (4.2, 5.0)
_BLUE, _RED, _GREY = "#2b6cb0", "#c53030", "#718096"


def reliability_figure(bins: Sequence[ReliabilityBin]) -> Figure:
    """Above, accuracy against confidence with the gap to the diagonal; below, the share of images in each bin.

    The caller saves it, as `figure.savefig("reliability.svg")`. Source: Guo et al., ICML 2017, figure 1.
    """
    figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    _draw_accuracy(above, bins)
    _draw_images(below, bins)
    for axis in (above.yaxis, below.yaxis, below.xaxis):
        axis.set_major_formatter(PercentFormatter(xmax=1))
    return figure


def _draw_accuracy(axes: Axes, bins: Sequence[ReliabilityBin]) -> None:
    left, widths = _bars(bins)
    gaps = [part.confidence - part.accuracy for part in bins]
    accuracy = [part.accuracy for part in bins]
    axes.bar(left, accuracy, widths, align="edge", color=_BLUE, edgecolor="white", label="accuracy")
    axes.bar(left, gaps, widths, accuracy, align="edge", color=_RED, alpha=0.35, label="gap to mean confidence")
    axes.plot((0, 1), (0, 1), linestyle="--", color=_GREY, label="perfectly calibrated")
    axes.set(xlim=(0, 1), ylim=(0, 1), ylabel="accuracy")
    axes.legend(loc="upper left", fontsize="small")


def _draw_images(axes: Axes, bins: Sequence[ReliabilityBin]) -> None:
    left, widths = _bars(bins)
    total = sum(part.images for part in bins)
    axes.bar(left, [part.images / total for part in bins], widths, align="edge", color=_GREY, edgecolor="white")
    axes.set(xlabel="confidence (largest probability)", ylabel="images")


def _bars(bins: Sequence[ReliabilityBin]) -> tuple[list[float], list[float]]:
    """Left edges and widths."""
    return [part.lower for part in bins], [part.upper - part.lower for part in bins]
