"""Judge the ratios that must hold, by the measurements of one run.

    make bench-check                   # python -m benchmarks.check build/bench/results.json

Each ratio is the median over the turns, with its quartiles. Exit status: 0 when all hold, 1 when one does not hold,
2 when none fails but one is missing or was not judged.
"""

import operator
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.harness.results import RESULTS, Results, read
from benchmarks.harness.servers import OPENVINO_BF16, SERVICE
from benchmarks.report.provenance import VECTOR_RESIZE
from benchmarks.report.quartiles import Quartiles
from benchmarks.report.ratios import (
    Bound,
    Quantity,
    RunData,
    best_peer,
    ceiling,
    deadline_ms,
    generator_share,
    goodput_of_peak,
    growth_mib,
    memory_limit,
    one_connection_p50,
    rate,
    ratio,
    single_image_stages,
    value,
)

TRUSTED_SHARE = 0.05
"""Limit of the load generator's share of all cores; above it goodput says little, because the service lacks them."""


@dataclass(frozen=True)
class Target:
    """A quantity, how it must relate to its bound, and the bound.

    share: the load generator's share of the cores, for ratios that it can distort. with_bf16: whether the bound is for
    processors with instructions for bfloat16 only.
    """

    name: str
    quantity: Quantity
    relation: Literal[">=", ">", "<=", "<"]
    bound: float | Bound
    unit: str = ""
    share: Quantity | None = None
    with_bf16: bool = False


def _bf16_of_best_peer(run: RunData) -> float:
    """Return how many times as fast as the best peer in fp32 bf16 must be: less where Pillow resizes alone."""
    return 2.4 if VECTOR_RESIZE in run.results.versions else 2.0


def _variant(workload: str, of_best_peer: float | Bound) -> tuple[Target, ...]:
    """Return the targets of a variant on OpenVINO; of_best_peer: bound of its quotient by the best peer in fp32."""
    own, bf16_peer = rate(workload), rate("A", OPENVINO_BF16)
    return (
        Target(f"{workload}: throughput / best peer in fp32", ratio(own, best_peer("A")), ">=", of_best_peer),
        Target(f"{workload}: throughput / ceiling", ratio(own, ceiling(workload)), ">=", 0.9),
        Target(f"{workload}: throughput / {OPENVINO_BF16}", ratio(own, bf16_peer), ">=", 1.15),
    )


def _overload(workload: str) -> Target:
    return Target(
        f"{workload}, 2x load: goodput / peak", goodput_of_peak(workload), ">=", 0.95, share=generator_share(workload)
    )


TARGETS = (
    Target("A: throughput / ceiling", ratio(rate("A"), ceiling("A")), ">=", 0.95),
    Target("A: throughput / best peer", ratio(rate("A"), best_peer("A")), ">=", 1.2),
    Target("A: throughput / on ONNX Runtime", ratio(rate("A"), rate("A-onnxruntime")), ">=", 1.05),
    *(
        replace(target, with_bf16=True)
        for target in (*_variant("A-bf16", _bf16_of_best_peer), *_variant("A-int8", 2.2))
    ),
    Target("B: throughput / ceiling", ratio(rate("B"), ceiling("B")), ">=", 0.85),
    Target("B: throughput / mosec", ratio(rate("B"), rate("B", "mosec")), ">", 1.0),
    Target("C: throughput / best peer", ratio(rate("C"), best_peer("C")), ">=", 5.0),
    Target(
        "A, one connection: p50 / decode + session",
        ratio(one_connection_p50("A"), single_image_stages("A")),
        "<=",
        1.15,
    ),
    Target(
        "A, one connection: p50 / naive's", ratio(one_connection_p50("A"), one_connection_p50("A", "naive")), "<=", 1.0
    ),
    _overload("A"),
    _overload("B"),
    _overload("C"),
    Target(
        "A, 2x load: p99 of accepted", value("A", SERVICE, "open", "2x", "accepted_p99_ms"), "<=", deadline_ms, "ms"
    ),
    Target("A, overload: memory added", growth_mib("A"), "<=", memory_limit("A"), "MiB"),
    Target("A: start to ready", value("A", SERVICE, "start", "", "seconds"), "<", 3.0, "s"),
)
_RELATIONS = {">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt}
Verdict = Literal["holds", "does not hold", "missing", "not judged"]
_STYLES = {"does not hold": "red", "missing": "red"}


@dataclass(frozen=True)
class Judgement:
    """The verdict about one target. value: None when it was not measured. reason: why it was not judged."""

    target: Target
    value: Quartiles | None
    bound: float | None
    verdict: Verdict
    reason: str = ""

    def cells(self) -> tuple[str, str, str, str]:
        """Return name, value with its quartiles, target and verdict as text."""
        found = f"{self.value.text} {self.target.unit}".strip() if self.value else "-"
        bound = "-" if self.bound is None else f"{self.bound:.4g} {self.target.unit}".strip()
        return self.target.name, found, f"{self.target.relation} {bound}", f"{self.verdict}{self.reason}"


def judge(results: Results, targets: tuple[Target, ...] = TARGETS) -> Iterator[Judgement]:
    """Yield the verdict about each target."""
    run = RunData(results)
    for target in targets:
        bound = target.bound(run) if callable(target.bound) else target.bound
        found, share = target.quantity(run), target.share(run) if target.share else None
        if target.with_bf16 and results.no_bf16:
            yield Judgement(target, found, bound, "not judged", f": {results.no_bf16}")
        elif found is None or bound is None:
            yield Judgement(target, found, bound, "missing")
        elif share and share.median > TRUSTED_SHARE:
            reason = f": the generator used {share.median:.0%} of the cores"
            yield Judgement(target, found, bound, "not judged", reason)
        else:
            holds = _RELATIONS[target.relation](found.median, bound)
            yield Judgement(target, found, bound, "holds" if holds else "does not hold")


def ratio_rows(results: Results) -> list[tuple[str, str, str, str]]:
    """Return the cells of each judged ratio: name, value, target, verdict."""
    return [judgement.cells() for judgement in judge(results)]


def exit_status(verdicts: list[Verdict]) -> int:
    """Return 1 when a ratio does not hold, 2 when one is missing or not judged, else 0."""
    return 1 if "does not hold" in verdicts else 2 if set(verdicts) - {"holds"} else 0


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
        table.add_row(*judgement.cells(), style=_STYLES.get(judgement.verdict))
    console.print(table)
    raise typer.Exit(exit_status([judgement.verdict for judgement in judged]))


if __name__ == "__main__":
    typer.run(main)
