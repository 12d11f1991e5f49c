"""What one run measures, and which workloads share their turns."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.workloads import Workload


@dataclass(frozen=True)
class Plan:
    """The extent of one run.

    turns: repetitions of everything that is compared. seconds, rounds: duration and repetitions of the loads that are
    not compared; a `brief` run leaves these out. peers: names of servers. against: root of another working tree.
    open_loads: rates of the open loops as multiples of the peak throughput.
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
    """Return the workloads by group that shares its turns; the workload that the peers serve comes first in each."""
    found: dict[str, list[Workload]] = {}
    for workload in sorted(workloads, key=lambda workload: bool(workload.shares_turns_with)):
        found.setdefault(workload.shares_turns_with or workload.name, []).append(workload)
    return list(found.values())
