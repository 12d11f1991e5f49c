"""One process's metrics as JSON for the others, and what all of them add up to as Prometheus reads it."""

import json
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from service.telemetry.aggregation import Family


def taken(registry: CollectorRegistry) -> bytes:
    """All families of `registry` now."""
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
    """Prometheus's text format."""
    registry = CollectorRegistry()
    registry.register(_Given([Family(*family) for family in json.loads(snapshot)]))
    return generate_latest(registry)


class _Given(Collector):
    """Families that were collected elsewhere."""

    def __init__(self, families: list[Family]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        for family in self._families:
            metric = Metric(family.name, family.documentation, family.type)
            for name, labels, value in family.samples:
                metric.add_sample(name, labels, value)
            yield metric
