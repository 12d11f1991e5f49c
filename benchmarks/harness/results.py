"""The measurements of one run: recorded in memory, stored as build/bench/results.json, and read back."""

import re
import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel

from benchmarks.workloads import BUILD

RESULTS = BUILD / "results.json"
QUICK = BUILD / "quick.json"


class Key(NamedTuple):
    """What was measured, without the turn.

    subject: `machine` (no server), `service`, `against`, `echo` or a peer.
    what: `decode`, `decode-full`, `session` in one thread; `processes`, `processes-full`, `single-image` of a ceiling;
    `start`, `stages`, `closed`, `open` of a server.
    load: for example `c=8 raw`, `batch 4 openvino`, `1.5x`.
    """

    workload: str
    subject: str
    what: str
    load: str = ""


class Measurement(BaseModel):
    """The numbers of one key in one turn.

    values: by name, with the unit in the name. statuses: counts by status. batches: counts by upper bound of size.
    """

    workload: str
    subject: str
    what: str
    load: str = ""
    turn: int
    values: dict[str, float]
    statuses: dict[str, int] = {}
    batches: dict[str, float] = {}

    @property
    def key(self) -> Key:
        """Return the key of this measurement."""
        return Key(self.workload, self.subject, self.what, self.load)


class Results(BaseModel):
    """One run of the benchmarks: provenance, plan and all measurements.

    no_bf16: why this machine has no bfloat16; empty where it has. ceilings: library and batch size by workload.
    """

    command: str
    date: str
    commit: str
    commit_against: str = ""
    others_share: float = 0.0
    machine: str
    no_bf16: str = ""
    versions: dict[str, str]
    prepared_by: list[str] = []
    server_commands: dict[str, str] = {}
    ceilings: dict[str, str] = {}
    notes: list[str] = []
    workloads: dict[str, str]
    turns: int
    rounds: int
    seconds: float
    deadline_ms: int
    memory_limit_mib: dict[str, float] = {}
    measurements: list[Measurement] = []

    def write(self, path: Path) -> None:
        """Write the run as JSON and create missing folders."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.model_dump_json(indent=1))


def read(path: Path) -> Results:
    """Read a run from disk. Raises OSError, and pydantic's ValidationError for another kind of file."""
    return Results.model_validate_json(path.read_text())


@dataclass
class Recorder:
    """Collects the measurements of a run. on_note: called with every note at once."""

    on_note: Callable[[str], None] = print
    measurements: list[Measurement] = field(default_factory=list)
    server_commands: dict[str, str] = field(default_factory=dict)
    ceilings: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(
        self,
        key: Key,
        turn: int,
        values: dict[str, float],
        statuses: dict[str, int] | None = None,
        batches: dict[str, float] | None = None,
    ) -> None:
        """Record the result of one slice."""
        more = {"statuses": statuses or {}, "batches": batches or {}}
        self.measurements.append(Measurement.model_validate(key._asdict() | {"turn": turn, "values": values} | more))

    def note(self, text: str) -> None:
        """Record what failed."""
        self.notes.append(text)
        self.on_note(text)


class Medians:
    """Access to every value of every measurement, by turn or as the median over the turns."""

    def __init__(self, measurements: Iterable[Measurement]) -> None:
        self._values: dict[Key, dict[str, dict[int, float]]] = {}
        for measurement in measurements:
            names = self._values.setdefault(measurement.key, {})
            for name, value in measurement.values.items():
                names.setdefault(name, {})[measurement.turn] = value

    def series(self, key: Key, name: str) -> dict[int, float]:
        """Return the value of each turn; empty when it was not measured."""
        return self._values.get(key, {}).get(name, {})

    def value(self, key: Key, name: str) -> float | None:
        """Return the median over the turns, or None when it was not measured."""
        found = self.series(key, name)
        return statistics.median(found.values()) if found else None

    def row(self, key: Key) -> dict[str, float]:
        """Return the medians of all values of a key, by name."""
        return {name: statistics.median(found.values()) for name, found in self._values.get(key, {}).items()}

    def keys(self, workload: str, subject: str, what: str, suffix: str = "") -> list[Key]:
        """Return the keys of one kind whose load ends with `suffix`, the smallest load first."""
        found = [key for key in self._values if key[:3] == (workload, subject, what) and key.load.endswith(suffix)]
        return sorted(found, key=lambda key: _size(key.load))

    def closed(self, workload: str, subject: str, connections: int) -> Key | None:
        """Return the key of a closed loop, with raw bodies when there is one, else with multipart bodies."""
        found = [key for key in self.keys(workload, subject, "closed") if key.load.split()[0] == f"c={connections}"]
        return max(found, key=lambda key: key.load.endswith(" raw"), default=None)

    def subjects(self, workload: str, what: str) -> list[str]:
        """Return the subjects that have a measurement of one kind, in the order of recording."""
        return list(dict.fromkeys(key.subject for key in self._values if (key.workload, key.what) == (workload, what)))

    def peak(self, workload: str, subject: str) -> float | None:
        """Return the largest median rate of good answers (1/s) of any closed loop."""
        rates = [self.value(key, "per_s") for key in self.keys(workload, subject, "closed")]
        return max((rate for rate in rates if rate is not None), default=None)


def _size(load: str) -> float:
    """Return the number in a load such as `c=8 raw`, `batch 4 openvino` or `1.5x`; 0 when there is none."""
    found = re.search(r"[\d.]+", load)
    return float(found[0]) if found else 0.0
