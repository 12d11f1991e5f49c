"""Numbers of a run, and how ratios are made of them: what the table in check.py is written in."""

import statistics
from collections.abc import Callable, Mapping

from benchmarks.harness.results import Key, Medians, Results
from benchmarks.harness.servers import MACHINE, PEERS, SERVICE
from benchmarks.report.quartiles import FEWEST, Spread, quotient, spread
from benchmarks.workloads import WORKS


class Facts:
    """What a run measured, and the limits that it states."""

    def __init__(self, results: Results) -> None:
        self.results = results
        self.medians = Medians(results.measurements)


Series = Callable[[Facts], Mapping[int, float]]
"""A number of a run by turn; empty when it was not measured."""
Term = Callable[[Facts], Spread | None]
"""Such a number over all turns, or the quotient of two of them; nothing when it was not measured."""
Bound = Callable[[Facts], float | None]


def series(work: str, subject: str, what: str, load: str, name: str) -> Series:
    return lambda facts: facts.medians.series(Key(work, subject, what, load), name)


def rate(work: str, subject: str = SERVICE) -> Series:
    """Good answers per second with as many connections as the turns have."""
    return _closed(work, subject, WORKS[work].abreast, "per_s")


def lone_p50(work: str, subject: str = SERVICE) -> Series:
    """With one connection, in ms."""
    return _closed(work, subject, 1, "p50_ms")


def _closed(work: str, subject: str, connections: int, name: str) -> Series:
    def found(facts: Facts) -> Mapping[int, float]:
        key = facts.medians.closed(work, subject, connections)
        return facts.medians.series(key, name) if key else {}

    return found


def ceiling(work: str) -> Series:
    return series(work, MACHINE, "processes", "", "images_per_s")


def lone_stages(work: str) -> Series:
    """Decoding and the session at batch 1, in ms."""
    return series(work, MACHINE, "lone", "", "ms")


def best_peer(work: str) -> Series:
    """Of the peer with the highest median rate in the turns; nothing unless all were measured: the best of some proves
    nothing."""

    def found(facts: Facts) -> Mapping[int, float]:
        rates = [rate(work, server)(facts) for servers in PEERS.values() for server in servers]
        if any(len(by_turn) < FEWEST for by_turn in rates):
            return {}
        return max(rates, key=lambda by_turn: statistics.median(by_turn.values()))

    return found


def value(work: str, subject: str, what: str, load: str, name: str) -> Term:
    found = series(work, subject, what, load, name)
    return lambda facts: spread(found(facts).values())


def over(above: Series, below: Series) -> Term:
    """Divided within each turn."""
    return lambda facts: quotient(above(facts), below(facts))


def goodput_of_peak(work: str) -> Term:
    """Of the open loop at twice the peak, to the closed loop just before it."""
    return over(*(series(work, SERVICE, "open", "2x", name) for name in ("good_per_s", "peak_per_s")))


def growth_mib(work: str) -> Term:
    """The largest memory under the two overloads, less that of the service when it had just become ready."""
    peaks = [
        series(work, SERVICE, "open", "2x", "rss_peak_mib"),
        series(work, SERVICE, "closed", "c=256 raw", "rss_peak_mib"),
    ]
    ready = value(work, SERVICE, "start", "", "rss_mib")

    def found(facts: Facts) -> Spread | None:
        loads, before = [peak(facts).values() for peak in peaks], ready(facts)
        known = all(loads) and before is not None
        return spread([max(mib for load in loads for mib in load) - before.middle]) if known and before else None

    return found


def memory_limit(work: str) -> Bound:
    return lambda facts: facts.results.memory_limit_mib.get(work)


def deadline_ms(facts: Facts) -> float:
    return facts.results.deadline_ms


def generator_share(work: str) -> Term:
    """What the generator of the open loop used of all cores."""
    return value(work, SERVICE, "open", "2x", "generator_share")
