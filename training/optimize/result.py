"""Result of making variants: rows of the table, of which some are admitted."""

from dataclasses import dataclass, replace
from pathlib import Path

from models.contract import Agreement, Precision, Scores, Speed


@dataclass(frozen=True)
class Candidate:
    """A variant that was made and is not yet measured."""

    precision: Precision
    path: Path
    made: str
    float_layers: tuple[str, ...] = ()
    sparsity: float | None = None


@dataclass(frozen=True)
class MeasuredVariant:
    """Measurements of one graph.

    agreement: None for fp32 itself; pareto: no other graph is better, see `mark_pareto`.
    """

    precision: Precision
    metrics: Scores
    agreement: Agreement | None
    speed: Speed
    size_bytes: int
    gzip_bytes: int
    golden_difference: float = 0.0
    verdict: str = "reference"
    admitted: bool = False
    pareto: bool = False

    @property
    def quality(self) -> float:
        """Top-1 accuracy, or agreement with fp32 where there are no labels."""
        if self.metrics.top1 is not None:
            return self.metrics.top1
        return 1.0 if self.agreement is None else self.agreement.top1


@dataclass(frozen=True)
class OptimizeResult:
    """Rows in the order of the table, and the reasons why requested variants are missing."""

    rows: tuple[MeasuredVariant, ...]
    skipped: dict[Precision, str]
    budget: float
    source: str


def mark_pareto(rows: list[MeasuredVariant]) -> list[MeasuredVariant]:
    """Set `pareto` where no other row is at least as good in quality, speed and size, and better in one."""
    points = [(row.quality, row.speed.ratio, -row.size_bytes) for row in rows]
    return [
        replace(row, pareto=not any(_dominates(other, point) for other in points))
        for row, point in zip(rows, points, strict=True)
    ]


def _dominates(first: tuple[float, ...], second: tuple[float, ...]) -> bool:
    return first != second and all(a >= b for a, b in zip(first, second, strict=True))
