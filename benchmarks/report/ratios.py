"""Quantities of a run and their ratios: the vocabulary of the table in check.py."""

import statistics
from collections.abc import Callable, Mapping

from benchmarks.harness.results import Key, Medians, Results
from benchmarks.harness.servers import MACHINE, OPENVINO_BF16, PEERS, SERVICE
from benchmarks.report.quartiles import MIN_TURNS, Quartiles, quartiles_of, quotient
from benchmarks.workloads import WORKLOADS


class RunData:
    """The measurements of a run by turn, and the limits that the run states."""

    def __init__(self, results: Results) -> None:
        self.results = results
        self.medians = Medians(results.measurements)


Series = Callable[[RunData], Mapping[int, float]]
"""A function from a run to a value by turn; empty when it was not measured."""
Quantity = Callable[[RunData], Quartiles | None]
"""A function from a run to a value over all turns, or the quotient of two values; None when it was not measured."""
Bound = Callable[[RunData], float | None]
"""A function from a run to the limit of a ratio; None when the run does not state it."""


def series(workload: str, subject: str, what: str, load: str, name: str) -> Series:
    """Return the values of one key and name by turn."""
    return lambda run: run.medians.series(Key(workload, subject, what, load), name)


def rate(workload: str, subject: str = SERVICE) -> Series:
    """Return good answers per second in the turns with many connections."""
    return _closed(workload, subject, WORKLOADS[workload].parallel_connections, "per_s")


def one_connection_p50(workload: str, subject: str = SERVICE) -> Series:
    """Return the p50 in ms in the turns with one connection."""
    return _closed(workload, subject, 1, "p50_ms")


def _closed(workload: str, subject: str, connections: int, name: str) -> Series:
    def found(run: RunData) -> Mapping[int, float]:
        key = run.medians.closed(workload, subject, connections)
        return run.medians.series(key, name) if key else {}

    return found


def ceiling(workload: str) -> Series:
    """Return images per second of the ceiling."""
    return series(workload, MACHINE, "processes", "", "images_per_s")


def single_image_stages(workload: str) -> Series:
    """Return the time of decoding and session at batch 1 without HTTP, in ms."""
    return series(workload, MACHINE, "single-image", "", "ms")


def best_peer(workload: str) -> Series:
    """Return good answers per second of the peer in fp32 with the highest median.

    Empty unless all peers in fp32 were measured: the best of some peers may not be the best of all.
    """
    peers = [server for servers in PEERS.values() for server in servers if server != OPENVINO_BF16]

    def found(run: RunData) -> Mapping[int, float]:
        rates = [rate(workload, server)(run) for server in peers]
        if any(len(by_turn) < MIN_TURNS for by_turn in rates):
            return {}
        return max(rates, key=lambda by_turn: statistics.median(by_turn.values()))

    return found


def value(workload: str, subject: str, what: str, load: str, name: str) -> Quantity:
    """Return the values of one key and name over all turns."""
    found = series(workload, subject, what, load, name)
    return lambda run: quartiles_of(found(run).values())


def ratio(above: Series, below: Series) -> Quantity:
    """Return the quotient of two series, divided within each turn."""
    return lambda run: quotient(above(run), below(run))


def goodput_of_peak(workload: str) -> Quantity:
    """Return (goodput of the open loop at twice the peak) / (throughput of the closed loop just before it)."""
    return ratio(*(series(workload, SERVICE, "open", "2x", name) for name in ("good_per_s", "peak_per_s")))


def growth_mib(workload: str) -> Quantity:
    """Return the largest memory under the two overloads, minus the memory when the service became ready, in MiB."""
    peaks = [
        series(workload, SERVICE, "open", "2x", "rss_peak_mib"),
        series(workload, SERVICE, "closed", "c=256 raw", "rss_peak_mib"),
    ]
    ready = value(workload, SERVICE, "start", "", "rss_mib")

    def found(run: RunData) -> Quartiles | None:
        loads, before = [peak(run).values() for peak in peaks], ready(run)
        known = all(loads) and before is not None
        return quartiles_of([max(mib for load in loads for mib in load) - before.median]) if known and before else None

    return found


def memory_limit(workload: str) -> Bound:
    """Return the limit of added memory that the run states, in MiB."""
    return lambda run: run.results.memory_limit_mib.get(workload)


def deadline_ms(run: RunData) -> float:
    """Return the deadline of the run's open loops in ms."""
    return run.results.deadline_ms


def generator_share(workload: str) -> Quantity:
    """Return the share of all cores that the load generator of the open loop at twice the peak used."""
    return value(workload, SERVICE, "open", "2x", "generator_share")
