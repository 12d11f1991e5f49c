"""Merges the metrics of several processes into those of the service."""

import json
import operator
from collections.abc import Callable, Container, Iterable
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


Registry = CollectorRegistry
"""The registry of the metrics library, by a name for rooms that do not import it."""
Snapshot = list[Family]
_NOT_ADDED: dict[str, Callable[[float, float], float]] = {
    "snellen_ready": min,
    "snellen_model_ready": min,
    "snellen_model_state": max,
    "snellen_deadline_seconds": max,
    "snellen_tls_certificate_expiry_timestamp_seconds": min,
    "snellen_baseline_class_share": max,
    "snellen_baseline_confidence_share": max,
    "snellen_baseline_unfamiliar_share": max,
    "snellen_baseline_images": max,
    "snellen_process_start_time_seconds": min,
    "snellen_process_max_fds": min,
}
"""How to merge gauges that have the same meaning in each process, instead of adding them."""


def merge_snapshots(snapshots: Iterable[Snapshot]) -> Snapshot:
    """Return the merged snapshot: samples with equal name and labels become one, in the order of first occurrence."""
    families: dict[str, Family] = {}
    merged: dict[str, dict[Any, Sample]] = {}
    for family in (Family(*family) for snapshot in snapshots for family in snapshot):
        families.setdefault(family.name, family)
        samples = merged.setdefault(family.name, {})
        merge: Callable[[float, float], float] = _NOT_ADDED.get(family.name, operator.add)
        for name, labels, value in family.samples:
            key = name, *sorted(labels.items())
            samples[key] = (name, labels, merge(samples[key][2], value) if key in samples else value)
    return [family._replace(samples=list(merged[name].values())) for name, family in families.items()]


def counters_only(snapshot: Snapshot) -> Snapshot:
    """Return the families to keep after a process has ended.

    A counter must never fall, because Prometheus would take that for a restart.
    """
    return [family for family in (Family(*family) for family in snapshot) if family.type in {"counter", "histogram"}]


def of_versions(snapshot: Snapshot, served: Container[str]) -> Snapshot:
    """Return the families without samples of versions that are not in `served`, which holds names as in `imagenet/1`.

    Samples that are not about a version stay.
    """

    def stays(sample: Sample) -> bool:
        labels = sample[1]
        return "version" not in labels or f"{labels['model']}/{labels['version']}" in served

    return [family._replace(samples=[*filter(stays, family.samples)]) for family in snapshot]


def collect_snapshot(registry: CollectorRegistry) -> bytes:
    """Return all families of `registry` as JSON."""
    return json.dumps(
        [
            Family(metric.name, metric.type, metric.documentation, [sample[:3] for sample in metric.samples])
            for metric in registry.collect()
        ]
    ).encode()


def render(snapshot: bytes) -> bytes:
    """Return Prometheus's text format."""
    return generate_latest(_Families(json.loads(snapshot)))


class _Families(Collector):
    """A collector of families that were collected in other processes."""

    def __init__(self, families: list[tuple[str, str, str, list[Sample]]]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        for name, kind, documentation, samples in self._families:
            metric = Metric(name, documentation, kind)
            for sample in samples:
                metric.add_sample(*sample)
            yield metric
