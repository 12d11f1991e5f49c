"""Measure the service beside its ceilings and its peers, in one run, rounds interleaved.

    make bench [WORKS=A,B] [PEERS=naive,litserve,mosec] [SECONDS=5] [ROUNDS=3]
    .venv/bin/python -m benchmarks.compare --quick      # a minute: ceilings and service, A and B, one round

docs/benchmarks.md says what is measured and what the words mean.
"""

import math
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from benchmarks import measure, report, summary
from benchmarks.measure import Plan, Recorder
from benchmarks.prepare import prepare
from benchmarks.provenance import memory_limit_mib, provenance
from benchmarks.results import QUICK, RESULTS, Results
from benchmarks.running import ServerFailed
from benchmarks.servers import PEERS
from benchmarks.works import WORKS, Work

Step = tuple[str, Callable[[Recorder], None]]

QUICK_PLAN = Plan(2.0, connections=(1, 8, 32, 64), with_multipart=False)
"""For who changes the hot path: A and B, the service and its ceilings, one round."""
OPEN_LOADS = (0.5, 0.8, 1.0, 1.5, 2.0)
console = Console(width=None if sys.stdout.isatty() else 120)


def steps(works: list[Work], peers: list[str], plan: Plan, number: int) -> Iterator[Step]:
    """What round `number` does; what comes first in one round comes last in the next."""
    for work in works:
        yield from _rotated([*_own_steps(work, plan), *_peer_steps(work, peers, plan)], number)


def _own_steps(work: Work, plan: Plan) -> Iterator[Step]:
    yield f"{work.name}: ceilings", lambda recorder: measure.machine(recorder, work, plan)
    yield f"{work.name}: bare HTTP", lambda recorder: measure.bare_http(recorder, work, plan)
    yield f"{work.name}: service", lambda recorder: measure.own_service(recorder, work, plan)


def _peer_steps(work: Work, peers: list[str], plan: Plan) -> Iterator[Step]:
    for server in (server for peer in peers if work.has_peers for server in PEERS[peer]):
        yield f"{work.name}: {server}", lambda recorder, server=server: measure.a_peer(recorder, work, plan, server)  # type: ignore[misc]


def _rotated(items: list[Step], by: int) -> list[Step]:
    by %= len(items)
    return items[by:] + items[:by]


def measured(works: list[Work], peers: list[str], plan: Plan, rounds: int) -> Recorder:
    """All rounds, with a bar that says what is running."""
    recorder = Recorder()
    columns = (TextColumn("{task.description:24}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console) as progress:
        total = sum(1 for number in range(rounds) for _ in steps(works, peers, plan, number))
        bar = progress.add_task("", total=total)
        for recorder.round in range(rounds):
            for name, step in steps(works, peers, plan, recorder.round):
                progress.update(bar, description=name)
                _tried(name, step, recorder)
                progress.advance(bar)
    return recorder


def _tried(name: str, step: Callable[[Recorder], None], recorder: Recorder) -> None:
    """A server that fails costs its own numbers and is named in the results."""
    try:
        step(recorder)
    except (ServerFailed, OSError, RuntimeError, ValueError, subprocess.CalledProcessError) as error:
        recorder.notes.append(f"round {recorder.round + 1}, {name}: {error}")
        console.print(recorder.notes[-1], markup=False)


def results(works: list[Work], peers: list[str], plan: Plan, rounds: int, prepared_by: list[str]) -> Results:
    found = provenance(peers)  # before the minutes in which others may commit
    recorder = measured(works, peers, plan, rounds)
    return Results.model_validate(
        found
        | {
            "command": shlex.join(["python", "-m", "benchmarks.compare", *sys.argv[1:]]),
            "works": {work.name: work.what for work in works},
            "prepared_by": prepared_by,
            "server_commands": recorder.server_commands,
            "notes": recorder.notes,
            "rounds": rounds,
            "seconds": plan.seconds,
            "deadline_ms": plan.deadline_ms,
            "memory_limit_mib": {w.name: memory_limit_mib(math.prod(w.bundle.manifest.input.shape)) for w in works},
            "measurements": recorder.measurements,
        }
    )


def _chosen(text: str, known: dict[str, object]) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    by_lower = {name.lower(): name for name in known}
    if unknown := [name for name in names if name.lower() not in by_lower]:
        raise typer.BadParameter(f"{', '.join(unknown)}: there are {', '.join(known)}")
    return [by_lower[name.lower()] for name in names]


def main(
    works: Annotated[str, typer.Option(help="Which works, comma-separated.")] = ",".join(WORKS),
    peers: Annotated[str, typer.Option(help="Which peers; empty for none.")] = ",".join(PEERS),
    seconds: Annotated[float, typer.Option(min=1, help="Length of each load.")] = 5.0,
    rounds: Annotated[int, typer.Option(min=1, help="Medians are over so many.")] = 3,
    output: Annotated[Path, typer.Option(help="All measurements, as JSON.")] = RESULTS,
    write: Annotated[bool, typer.Option(help="Change RESULTS.md and its plots.")] = False,
    only_quick: Annotated[bool, typer.Option("--quick", help="One short round of A and B: service, ceilings.")] = False,
) -> None:
    """Measure the service beside its ceilings and its peers."""
    chosen, beside = [WORKS[name] for name in _chosen(works, dict(WORKS))], _chosen(peers, dict(PEERS))
    plan, path = Plan(seconds, open_loads=OPEN_LOADS), output
    if only_quick:
        chosen, beside, plan, rounds, path = [WORKS["A"], WORKS["B"]], [], QUICK_PLAN, 1, QUICK
    try:
        found = results(chosen, beside, plan, rounds, prepare(chosen, console.print))
    except FileNotFoundError as error:
        console.print(str(error), markup=False)
        raise typer.Exit(2) from None
    found.write(path)
    summary.show(found, console)
    console.print(f"all measurements: {path}")
    if write:
        report.write(found)
    raise typer.Exit(1 if found.notes else 0)


if __name__ == "__main__":
    typer.run(main)
