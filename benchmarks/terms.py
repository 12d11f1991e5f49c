"""Numbers of a run, and how ratios are made of them: what the table in check.py is written in."""

from collections.abc import Callable

from benchmarks.measure import MACHINE
from benchmarks.results import Key, Medians, Results
from benchmarks.servers import PEERS, SERVICE


class Facts:
    """Medians of a run, and the limits that it states."""

    def __init__(self, results: Results) -> None:
        self.results = results
        self.medians = Medians(results.measurements)


Term = Callable[[Facts], float | None]
"""A number of a run; nothing when it was not measured."""


def value(work: str, subject: str, what: str, load: str, name: str) -> Term:
    return lambda facts: facts.medians.value(Key(work, subject, what, load), name)


def peak(work: str, subject: str = SERVICE) -> Term:
    return lambda facts: facts.medians.peak(work, subject)


def ceiling(work: str) -> Term:
    return value(work, MACHINE, "processes", "", "images_per_s")


def p50(work: str, subject: str, load: str) -> Term:
    return value(work, subject, "closed", load, "p50_ms")


def best_peer(work: str) -> Term:
    """Nothing unless every peer was measured: the best of some proves nothing."""
    return _all([peak(work, server) for servers in PEERS.values() for server in servers], max)


def plus(*terms: Term) -> Term:
    return _all(list(terms), sum)


def over(term: Term, by: Term) -> Term:
    return _all([term, by], lambda pair: pair[0] / pair[1] if pair[1] else None)


def _all(terms: list[Term], combine: Callable[[list[float]], float | None]) -> Term:
    def combined(facts: Facts) -> float | None:
        found = [term(facts) for term in terms]
        known = [number for number in found if number is not None]
        return combine(known) if len(known) == len(found) else None

    return combined


def growth_mib(work: str) -> Term:
    """The largest memory under the two overloads, less that of the service when it had just become ready."""
    peaks = [
        value(work, SERVICE, "open", "2x", "rss_peak_mib"),
        value(work, SERVICE, "closed", "c=256 raw", "rss_peak_mib"),
    ]
    ready = value(work, SERVICE, "start", "", "rss_mib")
    return _all([*peaks, ready], lambda found: max(found[:-1]) - found[-1])


def memory_limit(work: str) -> Term:
    return lambda facts: facts.results.memory_limit_mib.get(work)


def deadline_ms(facts: Facts) -> float:
    return facts.results.deadline_ms
