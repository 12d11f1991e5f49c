"""Plot a run for RESULTS.md: throughput and p99 against load, stages of a single request, batch sizes."""

import importlib
from pathlib import Path
from typing import Any

from benchmarks.harness.results import Key, Medians, Results
from benchmarks.harness.servers import MACHINE, SERVICE
from benchmarks.workloads import WORKLOADS

FOLDER = Path(__file__).parents[1] / "plots"
_STAGES = ("receive", "decode", "queue", "infer")


def draw(results: Results, folder: Path = FOLDER) -> list[str]:
    """Write three SVG files, identical for identical results. Return their paths relative to RESULTS.md.

    Raises ModuleNotFoundError without matplotlib, which requirements/bench.txt brings.
    """
    folder.mkdir(parents=True, exist_ok=True)
    medians = Medians(results.measurements)
    workloads = [name for name in results.workloads if not WORKLOADS[name].turns_only]
    pictures = {"load": _load, "stages": _stages, "batches": _batches}
    for name, picture in pictures.items():
        figure = picture(medians, workloads)
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
        _pyplot().close(figure)
    return [f"{folder.name}/{name}.svg" for name in pictures]


def _pyplot() -> Any:
    """Import matplotlib when something is drawn: neither the service's environment nor that of mypy has it."""
    matplotlib = importlib.import_module("matplotlib")
    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "snellen"
    return importlib.import_module("matplotlib.pyplot")


def _load(medians: Medians, workloads: list[str]) -> Any:
    """Plot the open loops: goodput and p99 against the offered load, a column for each workload."""
    figure, axes = _pyplot().subplots(
        2, len(workloads), figsize=(4 * len(workloads), 6), squeeze=False, layout="constrained"
    )
    for column, workload in enumerate(workloads):
        rows = [medians.row(key) for key in medians.keys(workload, SERVICE, "open")]
        offered = [row["rate_per_s"] for row in rows]
        above, below = axes[0][column], axes[1][column]
        above.plot(offered, offered, ":", color="grey", label="offered")
        above.plot(offered, [row["good_per_s"] for row in rows], "o-", label="good answers")
        _ceiling_line(above, medians, workload)
        above.set(title=workload, ylabel="per second", ylim=(0, None))
        above.legend()
        below.plot(offered, [row["accepted_p99_ms"] for row in rows], "o-", label="p99 of accepted")
        below.plot(offered, [row.get("p50_ms", float("nan")) for row in rows], "o-", label="p50 of good")
        below.set(xlabel="offered requests per second", ylabel="ms", yscale="log")
        below.legend()
    return figure


def _ceiling_line(axes: Any, medians: Medians, workload: str) -> None:
    ceiling = medians.value(Key(workload, MACHINE, "processes"), "images_per_s")
    if ceiling:
        axes.axhline(ceiling, linestyle="--", color="black", linewidth=0.8, label="ceiling")


def _stages(medians: Medians, workloads: list[str]) -> Any:
    """Plot the stage times of a single request as one bar per workload; the rest of the total is `other`."""
    figure, axes = _pyplot().subplots(figsize=(8, 1 + 0.6 * len(workloads)), layout="constrained")
    rows = {workload: medians.row(Key(workload, SERVICE, "stages")) for workload in workloads}
    left = dict.fromkeys(workloads, 0.0)
    for stage in (*_STAGES, "other"):
        shares = [_share(rows[workload], stage) for workload in workloads]
        axes.barh(workloads, shares, left=list(left.values()), label=stage)
        left = {workload: left[workload] + share for workload, share in zip(workloads, shares, strict=True)}
    axes.set(xlabel="share of the total time of a single request", xlim=(0, 1))
    axes.legend(ncols=5, loc="lower center", bbox_to_anchor=(0.5, 1))
    return figure


def _share(row: dict[str, float], stage: str) -> float:
    total = row.get("total_ms", 0.0)
    if not total:
        return 0.0
    named = {name: row.get(f"{name}_ms", 0.0) / total for name in _STAGES}
    return named.get(stage, max(0.0, 1 - sum(named.values())))


def _batches(medians: Medians, workloads: list[str]) -> Any:
    """Plot the mean batch size by connections (closed loop) and by multiple of the peak (open loop)."""
    figure, (closed, opened) = _pyplot().subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    for workload in workloads:
        for axes, what, suffix in ((closed, "closed", " raw"), (opened, "open", "")):
            keys = medians.keys(workload, SERVICE, what, suffix)
            loads = [float(key.load.split()[0].strip("c=x")) for key in keys]
            axes.plot(loads, [medians.value(key, "mean_batch") for key in keys], "o-", label=workload)
    closed.set(xlabel="connections", ylabel="images in a batch, mean", xscale="log")
    opened.set(xlabel="offered load, of the peak")
    closed.legend()
    return figure
