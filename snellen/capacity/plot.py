"""Latency against load, drawn by matplotlib."""

from collections.abc import Sequence
from pathlib import Path

from snellen.capacity.simulation import Outcome


def write_plot(
    file: Path, title: str, outcomes: Sequence[Outcome], kind: str, counts: Sequence[int], p99_s: float
) -> None:
    """Draw p99 against images per second for each number of processes, and the allowed latency.

    file: its ending is a format of matplotlib, such as .svg or .png. outcomes: of one process, ascending. kind: what
    the processes are. Raises OSError, ValueError.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for count in counts:
        rates = [count * each.rate for each in outcomes]
        axes.plot(rates, [each.p99_s * 1000 for each in outcomes], marker="o", markersize=3, label=f"{count} {kind}")
    axes.axhline(p99_s * 1000, color="grey", linestyle="--", linewidth=1)
    axes.set(title=title, xlabel="images per second", ylabel="p99 in ms", yscale="log")
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend()
    figure.savefig(file)
