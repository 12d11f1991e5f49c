"""Merges the metrics of several processes into those of the service."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

Sample = tuple[str, dict[str, str], float]


class Family(NamedTuple):
    """One metric of one process or of all. `type`: Prometheus's name of it."""

    name: str
    type: str
    documentation: str
    samples: list[Sample]


Snapshot = list[Family]
_NOT_ADDED: dict[str, Callable[[float, float], float]] = {
    "snellen_ready": min,
    "snellen_model_ready": min,
    "snellen_deadline_seconds": max,
    "snellen_process_start_time_seconds": min,
    "snellen_process_max_fds": min,
}
"""How to merge gauges that have the same meaning in each process, instead of adding them."""


def added(snapshots: Iterable[Snapshot]) -> Snapshot:
    """Return the merged snapshot: samples with equal name and labels become one, in the order of first occurrence."""
    families: dict[str, Family] = {}
    sums: dict[str, dict[Any, Sample]] = {}
    for family in (Family(*family) for snapshot in snapshots for family in snapshot):
        families.setdefault(family.name, family)
        _add(sums.setdefault(family.name, {}), family)
    return [family._replace(samples=list(sums[name].values())) for name, family in families.items()]


def lasting(snapshot: Snapshot) -> Snapshot:
    """Return the families to keep after a process has ended.

    A counter must never fall, because Prometheus would take that for a restart.
    """
    return [family for family in (Family(*family) for family in snapshot) if family.type in {"counter", "histogram"}]


def _add(sums: dict[Any, Sample], family: Family) -> None:
    together = _NOT_ADDED.get(family.name, float.__add__)
    for name, labels, value in family.samples:
        key = name, *sorted(labels.items())
        before = sums.get(key)
        sums[key] = (name, labels, together(float(before[2]), float(value)) if before else value)
