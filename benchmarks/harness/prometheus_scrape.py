"""Read the service's own measurements: batch sizes from /metrics, stage times from Server-Timing."""

import http.client
import re
import statistics
import urllib.request
from collections import defaultdict

from prometheus_client.parser import text_string_to_metric_families

from benchmarks.harness.servers import Server

_STAGE = re.compile(r"([A-Za-z_-]+);\s*dur=([0-9.]+)")


class BatchSizes:
    """Counts of the batches since the service started, by upper bound of their size."""

    def __init__(self, text: str) -> None:
        self.buckets: dict[str, float] = defaultdict(float)
        self.images = self.batches = 0.0
        for processes in text_string_to_metric_families(text):
            for sample in processes.samples:
                if sample.name == "snellen_batch_size_bucket":
                    self.buckets[sample.labels["le"]] += sample.value
                elif sample.name == "snellen_batch_size_sum":
                    self.images += sample.value
                elif sample.name == "snellen_batch_size_count":
                    self.batches += sample.value

    def since(self, earlier: "BatchSizes") -> tuple[float, dict[str, float]]:
        """Return the mean size of the batches since `earlier` (0 without any), and their counts by size bound."""
        batches = self.batches - earlier.batches
        cumulative = [(le, count - earlier.buckets[le]) for le, count in self.buckets.items()]
        counts = {
            le: count - before
            for (le, count), before in zip(cumulative, [0.0, *(c for _, c in cumulative)], strict=False)
        }
        mean = (self.images - earlier.images) / batches if batches else 0.0
        return mean, {_plain(le): count for le, count in counts.items() if count}


def _plain(bound: str) -> str:
    return bound.removesuffix(".0")


def scrape_batch_sizes(server: Server) -> BatchSizes:
    """Read the batch sizes from the /metrics of a running service."""
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=10) as response:
        return BatchSizes(response.read().decode())


def parse_stages(header: str) -> dict[str, float]:
    """Return the stage times of a Server-Timing header in ms, by name."""
    return {name: float(ms) for name, ms in _STAGE.findall(header)}


def stages(server: Server, requests: int = 50) -> dict[str, float]:
    """Return the median ms of each stage of sequential requests on one connection, without the first five."""
    found: dict[str, list[float]] = defaultdict(list)
    body, headers = server.body.path.read_bytes(), {"Content-Type": server.body.content_type}
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    for index in range(requests + 5):
        connection.request("POST", server.path, body, headers)
        response = connection.getresponse()
        response.read()
        if index >= 5:
            for name, ms in parse_stages(response.headers.get("Server-Timing", "")).items():
                found[name].append(ms)
    connection.close()
    return {f"{name}_ms": statistics.median(times) for name, times in found.items()}
