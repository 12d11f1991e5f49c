"""Merges the metrics of several processes into those of the service."""

import json
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

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


def taken(registry: CollectorRegistry) -> bytes:
    """Return all families of `registry` as JSON."""
    return json.dumps(
        [
            Family(
                metric.name,
                metric.type,
                metric.documentation,
                [(sample.name, dict(sample.labels), sample.value) for sample in metric.samples],
            )
            for metric in registry.collect()
        ]
    ).encode()


def rendered(snapshot: bytes) -> bytes:
    """Return Prometheus's text format."""
    registry = CollectorRegistry()
    registry.register(_Given([Family(*family) for family in json.loads(snapshot)]))
    return generate_latest(registry)


class _Given(Collector):
    """A collector of families that were collected in other processes."""

    def __init__(self, families: list[Family]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        for family in self._families:
            metric = Metric(family.name, family.documentation, family.type)
            for name, labels, value in family.samples:
                metric.add_sample(name, labels, value)
            yield metric
