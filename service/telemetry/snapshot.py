"""Exports the metrics of a process as JSON, and renders merged metrics in Prometheus's text format."""

import json
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from service.telemetry.aggregation import Family


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
