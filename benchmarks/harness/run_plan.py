"""What one run measures, and which works share their turns."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.workloads import Workload


@dataclass(frozen=True)
class Plan:
    """`peers` are servers, `open_loads` multiples of the peak, `against` another working tree.

    `seconds` and `rounds` are those of the loads that are not compared; a `brief` run leaves these out.
    """

    turns: int
    seconds: float = 2.0
    rounds: int = 1
    peers: tuple[str, ...] = ()
    against: Path | None = None
    brief: bool = False
    open_loads: tuple[float, ...] = ()
    deadline_ms: int = 1000


def groups(workloads: Sequence[Workload]) -> list[list[Workload]]:
    """Works that share their turns; the one that has the peers comes first."""
    found: dict[str, list[Workload]] = {}
    for workload in sorted(workloads, key=lambda workload: bool(workload.shares_turns_with)):
        found.setdefault(workload.shares_turns_with or workload.name, []).append(workload)
    return list(found.values())
