"""Numbers of a run, and how ratios are made of them: what the table in check.py is written in."""

import statistics
from collections.abc import Callable, Mapping

from benchmarks.harness.results import Key, Medians, Results
from benchmarks.harness.servers import MACHINE, PEERS, SERVICE
from benchmarks.report.quartiles import MIN_TURNS, Quartiles, quartiles_of, quotient
from benchmarks.workloads import WORKLOADS


class RunData:
    """What a run measured, and the limits that it states."""

    def __init__(self, results: Results) -> None:
        self.results = results
        self.medians = Medians(results.measurements)


Series = Callable[[RunData], Mapping[int, float]]
"""A number of a run by turn; empty when it was not measured."""
Quantity = Callable[[RunData], Quartiles | None]
"""Such a number over all turns, or the quotient of two of them; nothing when it was not measured."""
Bound = Callable[[RunData], float | None]


def series(workload: str, subject: str, what: str, load: str, name: str) -> Series:
    return lambda run: run.medians.series(Key(workload, subject, what, load), name)


def rate(workload: str, subject: str = SERVICE) -> Series:
    """Good answers per second with as many connections as the turns have."""
    return _closed(workload, subject, WORKLOADS[workload].parallel_connections, "per_s")


def one_connection_p50(workload: str, subject: str = SERVICE) -> Series:
    """With one connection, in ms."""
    return _closed(workload, subject, 1, "p50_ms")


def _closed(workload: str, subject: str, connections: int, name: str) -> Series:
    def found(run: RunData) -> Mapping[int, float]:
        key = run.medians.closed(workload, subject, connections)
        return run.medians.series(key, name) if key else {}

    return found


def ceiling(workload: str) -> Series:
    return series(workload, MACHINE, "processes", "", "images_per_s")


def single_image_stages(workload: str) -> Series:
    """Decoding and the session at batch 1, in ms."""
    return series(workload, MACHINE, "single-image", "", "ms")


def best_peer(workload: str) -> Series:
    """Of the peer with the highest median rate in the turns; nothing unless all were measured: the best of some proves
    nothing."""

    def found(run: RunData) -> Mapping[int, float]:
        rates = [rate(workload, server)(run) for servers in PEERS.values() for server in servers]
        if any(len(by_turn) < MIN_TURNS for by_turn in rates):
            return {}
        return max(rates, key=lambda by_turn: statistics.median(by_turn.values()))

    return found


def value(workload: str, subject: str, what: str, load: str, name: str) -> Quantity:
    found = series(workload, subject, what, load, name)
    return lambda run: quartiles_of(found(run).values())


def ratio(above: Series, below: Series) -> Quantity:
    """Divided within each turn."""
    return lambda run: quotient(above(run), below(run))


def goodput_of_peak(workload: str) -> Quantity:
    """Of the open loop at twice the peak, to the closed loop just before it."""
    return ratio(*(series(workload, SERVICE, "open", "2x", name) for name in ("good_per_s", "peak_per_s")))


def growth_mib(workload: str) -> Quantity:
    """The largest memory under the two overloads, less that of the service when it had just become ready."""
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
    return lambda run: run.results.memory_limit_mib.get(workload)


def deadline_ms(run: RunData) -> float:
    return run.results.deadline_ms


def generator_share(workload: str) -> Quantity:
    """What the generator of the open loop used of all cores."""
    return value(workload, SERVICE, "open", "2x", "generator_share")
