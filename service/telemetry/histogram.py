"""A Prometheus histogram for what happens in one thread: counted without a lock, summed when it is scraped."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate
from math import inf

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString


class Counts:
    """Of one set of labels: how many amounts were in each bucket, the last of which is endless, and their sum."""

    __slots__ = ("_bounds", "in_buckets", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.in_buckets = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, amount: float) -> None:
        """Not for other threads than the event loop's: two that add at once may lose one."""
        self.in_buckets[bisect_left(self._bounds, amount)] += 1
        self.sum += amount


class Histogram(Collector):
    """As prometheus_client's, with the same samples: without a sum where the first bound is negative."""

    def __init__(
        self,
        name: str,
        documentation: str,
        labelnames: tuple[str, ...],
        *,
        buckets: Sequence[float],
        registry: CollectorRegistry,
    ) -> None:
        """buckets: upper bounds, ascending."""
        self._name, self._labelnames = name, labelnames
        self._documentation = documentation
        self._bounds = tuple(buckets)
        self._texts = [floatToGoString(bound) for bound in (*buckets, inf)]  # type: ignore[no-untyped-call]
        self._counts: dict[tuple[str, ...], Counts] = {}
        registry.register(self)

    def labels(self, *values: str) -> Counts:
        """To be kept by whoever observes often."""
        return self._counts.setdefault(values, Counts(self._bounds))

    def describe(self) -> Iterable[Metric]:
        """For the registry, which refuses a second one of this name."""
        return self.collect()

    def collect(self) -> Iterable[Metric]:
        """For a scrape."""
        metric = Metric(self._name, self._documentation, "histogram")
        for values, counts in self._counts.items():
            labels = dict(zip(self._labelnames, values, strict=True))
            cumulated = [*accumulate(counts.in_buckets)]
            for text, count in zip(self._texts, cumulated, strict=True):
                metric.add_sample(f"{self._name}_bucket", labels | {"le": text}, float(count))
            metric.add_sample(f"{self._name}_count", labels, float(cumulated[-1]))
            if self._bounds[0] >= 0:
                metric.add_sample(f"{self._name}_sum", labels, counts.sum)
        yield metric
