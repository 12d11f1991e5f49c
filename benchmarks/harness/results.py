"""The measurements of one run as data, on disk as build/bench/results.json."""

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
    """What was measured, whatever the turn.

    subject: `machine` (no server), `service`, `against`, `echo` or a peer. load: as in `c=8 raw`, `batch 4`, `1.5x`.
    what: `decode`, `decode-full`, `session`; `processes`, `processes-full`, `lone` (a crew's); `start`, `stages`,
    `closed`, `open` (a server's).
    """

    workload: str
    subject: str
    what: str
    load: str = ""


class Measurement(BaseModel):
    """Numbers of one turn, units in their names; counts by status, and batches by their largest size."""

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
        return Key(self.workload, self.subject, self.what, self.load)


class Results(BaseModel):
    """One run of the suite."""

    command: str
    date: str
    commit: str
    commit_against: str = ""
    others_share: float = 0.0
    machine: str
    versions: dict[str, str]
    prepared_by: list[str] = []
    server_commands: dict[str, str] = {}
    notes: list[str] = []
    workloads: dict[str, str]
    turns: int
    rounds: int
    seconds: float
    deadline_ms: int
    memory_limit_mib: dict[str, float] = {}
    measurements: list[Measurement] = []

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.model_dump_json(indent=1))


def read(path: Path) -> Results:
    """Raises OSError, and pydantic's ValidationError for another kind of file."""
    return Results.model_validate_json(path.read_text())


@dataclass
class Recorder:
    """`say` hears of every note at once."""

    on_progress: Callable[[str], None] = print
    measurements: list[Measurement] = field(default_factory=list)
    server_commands: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(
        self,
        key: Key,
        turn: int,
        values: dict[str, float],
        statuses: dict[str, int] | None = None,
        batches: dict[str, float] | None = None,
    ) -> None:
        more = {"statuses": statuses or {}, "batches": batches or {}}
        self.measurements.append(Measurement.model_validate(key._asdict() | {"turn": turn, "values": values} | more))

    def note(self, text: str) -> None:
        """What failed, by whom."""
        self.notes.append(text)
        self.on_progress(text)


class Medians:
    """Every value of every measurement: its median over the turns, or all of them."""

    def __init__(self, measurements: Iterable[Measurement]) -> None:
        self._values: dict[Key, dict[str, dict[int, float]]] = {}
        for measurement in measurements:
            names = self._values.setdefault(measurement.key, {})
            for name, value in measurement.values.items():
                names.setdefault(name, {})[measurement.turn] = value

    def series(self, key: Key, name: str) -> dict[int, float]:
        """By turn."""
        return self._values.get(key, {}).get(name, {})

    def value(self, key: Key, name: str) -> float | None:
        found = self.series(key, name)
        return statistics.median(found.values()) if found else None

    def row(self, key: Key) -> dict[str, float]:
        return {name: statistics.median(found.values()) for name, found in self._values.get(key, {}).items()}

    def keys(self, workload: str, subject: str, what: str, suffix: str = "") -> list[Key]:
        """Those of one kind whose load ends with `suffix`, the smallest load first."""
        found = [key for key in self._values if key[:3] == (workload, subject, what) and key.load.endswith(suffix)]
        return sorted(found, key=lambda key: _size(key.load))

    def closed(self, workload: str, subject: str, connections: int) -> Key | None:
        """That load of a server: raw where it was asked so, else in a form."""
        found = [key for key in self.keys(workload, subject, "closed") if key.load.split()[0] == f"c={connections}"]
        return max(found, key=lambda key: key.load.endswith(" raw"), default=None)

    def subjects(self, workload: str, what: str) -> list[str]:
        return list(dict.fromkeys(key.subject for key in self._values if (key.workload, key.what) == (workload, what)))

    def peak(self, workload: str, subject: str) -> float | None:
        """Most good answers per second of any closed loop."""
        rates = [self.value(key, "per_s") for key in self.keys(workload, subject, "closed")]
        return max((rate for rate in rates if rate is not None), default=None)


def _size(load: str) -> float:
    """The number in `c=8 raw`, `batch 4`, `1.5x`; 0 where there is none."""
    found = re.search(r"[\d.]+", load)
    return float(found[0]) if found else 0.0
