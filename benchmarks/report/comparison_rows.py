"""Rows of the comparison tables, for the terminal and for RESULTS.md: measured values and quotients."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from benchmarks.harness.results import Key, Medians
from benchmarks.harness.servers import AGAINST, ECHO, MACHINE, ONE_CONNECTION_SUBJECTS, OPENVINO_BF16, PEERS, SERVICE
from benchmarks.report.quartiles import Quartiles, number, quartiles_of, quotient
from benchmarks.workloads import WORKLOADS, Workload

_CEILINGS = {"processes": "ceiling", "processes-full": "ceiling, decoding in full"}
_PEERS = tuple(server for servers in PEERS.values() for server in servers)
_IN_FP32 = {*_PEERS} - {OPENVINO_BF16}


class ComparisonRow(NamedTuple):
    """The row of one subject.

    quotient: (the service's value) / (this value), within turns. cpu_ms: CPU time per answer, the number that other
    load on the machine changes least. generator_cores: CPU use of wrk.
    """

    name: str
    measured: Quartiles
    quotient: Quartiles | None
    cpu_ms: float | None = None
    generator_cores: float | None = None

    def cells(self) -> list[str]:
        """Return the cells as text: name, value and the columns of THROUGHPUT_HEAD or LATENCY_HEAD."""
        ratio = self.quotient.text if self.quotient else "-"
        return [self.name, self.measured.text, ratio, number(self.cpu_ms), number(self.generator_cores)]


THROUGHPUT_HEAD = ("per second", "service / it", "CPU ms each", "wrk, cores")
LATENCY_HEAD = ("p50 ms", "service / it", "CPU ms each", "wrk, cores")


def one_thread(medians: Medians, workload: str) -> dict[str, dict[int, float]]:
    """Return images/s of the network alone in one thread: library -> batch size -> rate."""
    found: dict[str, dict[int, float]] = {}
    for key in medians.keys(workload, MACHINE, "session"):
        _, size, library = key.load.split()
        found.setdefault(library, {})[int(size)] = medians.row(key)["images_per_s"]
    return found


def throughput(medians: Medians, name: str) -> list[ComparisonRow]:
    """Return the rows for the turns with many connections; empty when the service was not measured."""
    workload = WORKLOADS[name]
    ceilings = [(Key(name, MACHINE, what), words) for what, words in _CEILINGS.items()]
    return list(
        _rows(
            medians,
            workload,
            workload.parallel_connections,
            "per_s",
            [(key, "images_per_s", words) for key, words in ceilings],
        )
    )


def one_connection(medians: Medians, name: str) -> list[ComparisonRow]:
    """Return the rows for the turns with one connection; empty when the service was not measured."""
    return list(
        _rows(medians, WORKLOADS[name], 1, "p50_ms", [(Key(name, MACHINE, "single-image"), "ms", "decode + session")])
    )


def _rows(
    medians: Medians, workload: Workload, connections: int, value: str, machine: Iterable[tuple[Key, str, str]]
) -> Iterator[ComparisonRow]:
    own = medians.closed(workload.name, SERVICE, connections)
    if own is None:
        return
    base = medians.series(own, value)
    yield from _row(medians, own, value, SERVICE, {})
    for key, name, words in machine:
        yield from _row(medians, key, name, words, base)
    for key, words in _others(medians, workload, connections):
        yield from _row(medians, key, value, words, base)


def _others(medians: Medians, workload: Workload, connections: int) -> Iterator[tuple[Key, str]]:
    """Yield the other servers, of this workload or of the workload whose turns it shares, with their names."""
    shared = workload.shares_turns_with or workload.name
    for subject, name in ((AGAINST, workload.name), (ECHO, shared), *((peer, shared) for peer in _PEERS)):
        key = medians.closed(name, subject, connections)
        if key and (connections != 1 or subject in ONE_CONNECTION_SUBJECTS):
            yield key, f"{subject}, in fp32" if workload.shares_turns_with and subject in _IN_FP32 else subject


def _row(medians: Medians, key: Key, value: str, words: str, base: Mapping[int, float]) -> Iterator[ComparisonRow]:
    by_turn = medians.series(key, value)
    measured = quartiles_of(by_turn.values())
    if measured:
        row = medians.row(key)
        cores = row["generator_cpu_s"] / row["seconds"] if "generator_cpu_s" in row else None
        cpu_ms = row["cpu_s"] / row["answers"] * 1000 if row.get("answers") else None
        yield ComparisonRow(words, measured, quotient(base, by_turn), cpu_ms, cores)
