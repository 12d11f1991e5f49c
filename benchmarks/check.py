"""The ratios that must hold, judged by the numbers of one run.

    make bench-check                   # python -m benchmarks.check build/bench/results.json

Exit status: 0 when all hold, 1 when one does not, 2 when none fails but a measurement is missing.
"""

import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.measure import MACHINE
from benchmarks.results import RESULTS, Key, Medians, Results, read
from benchmarks.servers import PEERS, SERVICE


class Facts:
    """Medians of a run, and the limits that it states."""

    def __init__(self, results: Results) -> None:
        self.results = results
        self.medians = Medians(results.measurements)


Term = Callable[[Facts], float | None]
"""A number of a run; nothing when it was not measured."""


def value(work: str, subject: str, what: str, load: str, name: str) -> Term:
    return lambda facts: facts.medians.value(Key(work, subject, what, load), name)


def peak(work: str, subject: str = SERVICE) -> Term:
    return lambda facts: facts.medians.peak(work, subject)


def ceiling(work: str) -> Term:
    return value(work, MACHINE, "processes", "", "images_per_s")


def p50(work: str, subject: str, load: str) -> Term:
    return value(work, subject, "closed", load, "p50_ms")


def best_peer(work: str) -> Term:
    """Nothing unless every peer was measured: the best of some proves nothing."""
    return _all([peak(work, server) for servers in PEERS.values() for server in servers], max)


def plus(*terms: Term) -> Term:
    return _all(list(terms), sum)


def over(term: Term, by: Term) -> Term:
    return _all([term, by], lambda pair: pair[0] / pair[1] if pair[1] else None)


def _all(terms: list[Term], combine: Callable[[list[float]], float | None]) -> Term:
    def combined(facts: Facts) -> float | None:
        found = [term(facts) for term in terms]
        known = [number for number in found if number is not None]
        return combine(known) if len(known) == len(found) else None

    return combined


def growth_mib(work: str) -> Term:
    """The largest memory under the two overloads, less that of the service when it had just become ready."""
    peaks = [
        value(work, SERVICE, "open", "2x", "rss_peak_mib"),
        value(work, SERVICE, "closed", "c=256 raw", "rss_peak_mib"),
    ]
    ready = value(work, SERVICE, "start", "", "rss_mib")
    return _all([*peaks, ready], lambda found: max(found[:-1]) - found[-1])


def memory_limit(work: str) -> Term:
    return lambda facts: facts.results.memory_limit_mib.get(work)


def deadline_ms(facts: Facts) -> float:
    return facts.results.deadline_ms


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
