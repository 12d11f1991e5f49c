"""Compare the service with its ceilings and with other servers: all run at once and take turns in short slices.

    make bench [WORKLOADS=A,B] [PEERS=naive,openvino,litserve,mosec] [TURNS=8] [SECONDS=2] [ROUNDS=1]
    .venv/bin/python -m benchmarks.compare --quick                       # one minute: A and B, ceilings and service
    .venv/bin/python -m benchmarks.compare --quick --against ../before   # also the service of another working tree

docs/benchmarks.md explains what is measured and defines the terms.
"""

import math
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from benchmarks.check import ratio_rows
from benchmarks.harness.comparison_run import measure
from benchmarks.harness.prepare_inputs import prepare
from benchmarks.harness.results import QUICK, RESULTS, Recorder, Results
from benchmarks.harness.run_plan import Plan, groups
from benchmarks.harness.servers import OPENVINO_BF16, PEERS
from benchmarks.report import markdown_report, terminal_summary
from benchmarks.report.provenance import memory_limit_mib, no_bf16, provenance
from benchmarks.workloads import ROOT, WORKLOADS, Workload
from models.contract import Precision

TURNS, QUICK_TURNS = 8, 5
OPEN_LOADS = (0.5, 0.8, 1.0, 1.5, 2.0)
console = Console(width=None if sys.stdout.isatty() else 120)


def measure_all(workloads: list[Workload], plan: Plan) -> Recorder:
    """Measure all groups of workloads, with a progress bar for each."""
    recorder = Recorder(lambda text: console.print(text, markup=False))
    columns = (TextColumn("{task.description:24}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console) as progress:
        for group in groups(workloads):
            bar = progress.add_task("", total=None)

            def on_progress(text: str, total: int, bar: object = bar) -> None:
                progress.update(bar, description=text, total=total or None, advance=1 if total else 0)  # type: ignore[arg-type]

            measure(recorder, group, plan, on_progress)
    return recorder


def results(workloads: list[Workload], peers: list[str], plan: Plan, prepared_by: list[str]) -> Results:
    """Measure and return the run with its provenance."""
    found = provenance(peers, plan.against)  # before the measurement: the commit may change during it
    recorder = measure_all(workloads, plan)
    return Results.model_validate(
        found
        | {
            "command": shlex.join(["python", "-m", "benchmarks.compare", *sys.argv[1:]]),
            "workloads": {workload.name: workload.description for workload in workloads},
            "prepared_by": prepared_by,
            "server_commands": recorder.server_commands,
            "ceilings": recorder.ceilings,
            "notes": recorder.notes,
            "turns": plan.turns,
            "rounds": plan.rounds,
            "seconds": plan.seconds,
            "deadline_ms": plan.deadline_ms,
            "memory_limit_mib": {w.name: memory_limit_mib(math.prod(w.bundle.manifest.input.shape)) for w in workloads},
            "measurements": recorder.measurements,
        }
    )


def without_bf16(workloads: list[Workload], servers: list[str]) -> tuple[list[Workload], list[str]]:
    """Return the workloads and peers that a machine without instructions for bfloat16 can run."""
    return (
        [workload for workload in workloads if workload.precision is not Precision.BF16],
        [server for server in servers if server != OPENVINO_BF16],
    )


def _chosen(text: str, known: dict[str, object]) -> list[str]:
    """Return the names in a comma-separated text as they are spelled in `known`. Raises typer.BadParameter."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    by_lower = {name.lower(): name for name in known}
    if unknown := [name for name in names if name.lower() not in by_lower]:
        raise typer.BadParameter(f"{', '.join(unknown)}: there are {', '.join(known)}")
    return [by_lower[name.lower()] for name in names]


def _tree(path: Path | None) -> Path | None:
    """Return the root of another working tree of this project. Raises typer.BadParameter for anything else."""
    tree = path.resolve() if path else None
    if tree == ROOT:
        raise typer.BadParameter(f"{path} is this working tree")
    if tree and not (tree / "service" / "__main__.py").exists():
        raise typer.BadParameter(f"{path} has no service/__main__.py: it should be another checkout of this project")
    return tree


def main(
    workloads: Annotated[str, typer.Option(help="Which workloads, comma-separated.")] = ",".join(WORKLOADS),
    peers: Annotated[str, typer.Option(help="Which peers, comma-separated; empty: none.")] = ",".join(PEERS),
    turns: Annotated[
        int | None, typer.Option(min=1, help=f"Repetitions of what is compared; {TURNS}, --quick {QUICK_TURNS}.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=1, help="Duration of each load that takes no turns.")] = 2.0,
    rounds: Annotated[int, typer.Option(min=1, help="Repetitions of the loads that take no turns.")] = 1,
    output: Annotated[Path, typer.Option(help="File for all measurements, as JSON.")] = RESULTS,
    write: Annotated[bool, typer.Option(help="Change RESULTS.md and its plots.")] = False,
    only_quick: Annotated[bool, typer.Option("--quick", help="Turns of A and B alone, without peers.")] = False,
    against: Annotated[Path | None, typer.Option(help="Another working tree, whose service takes turns too.")] = None,
) -> None:
    """Compare the service with its ceilings and its peers."""
    chosen, chosen_peers, tree = (
        [WORKLOADS[name] for name in _chosen(workloads, dict(WORKLOADS))],
        _chosen(peers, dict(PEERS)),
        _tree(against),
    )
    servers = [server for peer in chosen_peers for server in PEERS[peer]]
    if reason := no_bf16():
        console.print(f"bf16 is not measured: {reason}", markup=False)
        chosen, servers = without_bf16(chosen, servers)
    plan, path = Plan(turns or TURNS, seconds, rounds, tuple(servers), tree, open_loads=OPEN_LOADS), output
    if only_quick:
        chosen, chosen_peers, path = [WORKLOADS["A"], WORKLOADS["B"]], [], QUICK if output == RESULTS else output
        plan = Plan(turns or QUICK_TURNS, against=tree, brief=True)
    try:
        found = results(chosen, chosen_peers, plan, prepare(chosen, console.print))
    except FileNotFoundError as error:
        console.print(str(error), markup=False)
        raise typer.Exit(2) from None
    found.write(path)
    terminal_summary.show(found, console)
    console.print(f"all measurements: {path}")
    if write:
        markdown_report.write(found, ratio_rows(found))
    raise typer.Exit(1 if found.notes else 0)


if __name__ == "__main__":
    typer.run(main)
