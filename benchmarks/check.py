"""The ratios that must hold, judged by the numbers of one run.

    make bench-check                   # python -m benchmarks.check build/bench/results.json

Exit status: 0 when all hold, 1 when one does not, 2 when none fails but a measurement is missing.
"""

import operator
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.measure import MACHINE
from benchmarks.results import RESULTS, Results, read
from benchmarks.servers import SERVICE
from benchmarks.terms import (
    Facts,
    Term,
    best_peer,
    ceiling,
    deadline_ms,
    growth_mib,
    memory_limit,
    over,
    p50,
    peak,
    plus,
    value,
)


@dataclass(frozen=True)
class Target:
    """A value, how it must relate to its bound, and the bound."""

    name: str
    term: Term
    relation: Literal[">=", ">", "<=", "<"]
    bound: float | Term
    unit: str = ""


LONE = plus(value("A", MACHINE, "decode", "", "ms"), value("A", MACHINE, "session", "batch 1", "ms"))
TARGETS = (
    Target("A: throughput / ceiling", over(peak("A"), ceiling("A")), ">=", 0.95),
    Target("A: throughput / best peer", over(peak("A"), best_peer("A")), ">=", 1.2),
    Target("A-int8: throughput / best peer in fp32", over(peak("A-int8"), best_peer("A")), ">=", 2.0),
    Target("B: throughput / ceiling", over(peak("B"), ceiling("B")), ">=", 0.85),
    Target("B: throughput / mosec", over(peak("B"), peak("B", "mosec")), ">", 1.0),
    Target("C: throughput / best peer", over(peak("C"), best_peer("C")), ">=", 5.0),
    Target("A, one connection: p50 / decode + session", over(p50("A", SERVICE, "c=1 raw"), LONE), "<=", 1.15),
    Target(
        "A, one connection: p50 / naive's",
        over(p50("A", SERVICE, "c=1 raw"), p50("A", "naive", "c=1 multipart")),
        "<=",
        1.0,
    ),
    Target("A, 2x load: goodput / peak", over(value("A", SERVICE, "open", "2x", "good_per_s"), peak("A")), ">=", 0.95),
    Target(
        "A, 2x load: p99 of accepted", value("A", SERVICE, "open", "2x", "accepted_p99_ms"), "<=", deadline_ms, "ms"
    ),
    Target("A, overload: memory added", growth_mib("A"), "<=", memory_limit("A"), "MiB"),
    Target("A: start to ready", value("A", SERVICE, "start", "", "seconds"), "<", 3.0, "s"),
)
_RELATIONS = {">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt}
Verdict = Literal["holds", "does not hold", "missing"]


@dataclass(frozen=True)
class Judgement:
    target: Target
    value: float | None
    bound: float | None
    verdict: Verdict

    def cells(self) -> tuple[str, str, str, str]:
        """Name, value, target and verdict as text."""
        found, bound = _text(self.value, self.target.unit), _text(self.bound, self.target.unit)
        return self.target.name, found, f"{self.target.relation} {bound}", self.verdict


def judge(results: Results, targets: tuple[Target, ...] = TARGETS) -> Iterator[Judgement]:
    facts = Facts(results)
    for target in targets:
        found = target.term(facts)
        bound = target.bound(facts) if callable(target.bound) else target.bound
        if found is None or bound is None:
            yield Judgement(target, found, bound, "missing")
        else:
            holds = _RELATIONS[target.relation](found, bound)
            yield Judgement(target, found, bound, "holds" if holds else "does not hold")


def exit_status(verdicts: list[Verdict]) -> int:
    return 1 if "does not hold" in verdicts else 2 if "missing" in verdicts else 0


def _text(number: float | None, unit: str) -> str:
    return "-" if number is None else f"{number:.4g} {unit}".strip()


def main(path: Annotated[Path, typer.Argument(help="What `make bench` wrote.")] = RESULTS) -> None:
    """Print each ratio with its value, target and verdict."""
    console = Console()
    try:
        judged = list(judge(read(path)))
    except (OSError, ValueError) as error:
        console.print(f"{path} is not the result of `make bench`: {error}", markup=False)
        raise typer.Exit(2) from None
    table = Table("ratio", "value", "target", "verdict", box=None)
    for judgement in judged:
        table.add_row(*judgement.cells(), style="red" if judgement.verdict != "holds" else None)
    console.print(table)
    raise typer.Exit(exit_status([judgement.verdict for judgement in judged]))


if __name__ == "__main__":
    typer.run(main)
