"""The measurements of one run as data, on disk as build/bench/results.json."""

import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel

from benchmarks.works import BUILD

RESULTS = BUILD / "results.json"
QUICK = BUILD / "quick.json"


class Key(NamedTuple):
    """What was measured, whatever the round.

    subject: `machine` (no server), `service`, `echo` or a peer. what: `decode`, `decode-full`, `session`,
    `processes`, `processes-full`, `start`, `stages`, `closed`, `open`. load: as in `c=8 raw`, `batch 4`, `1.5x`.
    """

    work: str
    subject: str
    what: str
    load: str = ""


class Measurement(BaseModel):
    """Numbers of one round, units in their names; counts by status, and batches by their largest size."""

    work: str
    subject: str
    what: str
    load: str = ""
    round: int
    values: dict[str, float]
    statuses: dict[str, int] = {}
    batches: dict[str, float] = {}

    @property
    def key(self) -> Key:
        return Key(self.work, self.subject, self.what, self.load)


class Results(BaseModel):
    """One run of the suite."""

    command: str
    date: str
    commit: str
    machine: str
    versions: dict[str, str]
    prepared_by: list[str] = []
    server_commands: dict[str, str] = {}
    notes: list[str] = []
    works: dict[str, str]
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


class Medians:
    """Median over the rounds of every value of every measurement."""

    def __init__(self, measurements: Iterable[Measurement]) -> None:
        self._values: dict[Key, dict[str, list[float]]] = {}
        for measurement in measurements:
            names = self._values.setdefault(measurement.key, {})
            for name, value in measurement.values.items():
                names.setdefault(name, []).append(value)

    def value(self, key: Key, name: str) -> float | None:
        found = self._values.get(key, {}).get(name)
        return statistics.median(found) if found else None

    def row(self, key: Key) -> dict[str, float]:
        return {name: statistics.median(found) for name, found in self._values.get(key, {}).items()}

    def keys(self, work: str, subject: str, what: str, suffix: str = "") -> list[Key]:
        """Those of one kind whose load ends with `suffix`, in the order in which they were measured first."""
        return [key for key in self._values if key[:3] == (work, subject, what) and key.load.endswith(suffix)]

    def subjects(self, work: str, what: str) -> list[str]:
        return list(dict.fromkeys(key.subject for key in self._values if (key.work, key.what) == (work, what)))

    def peak(self, work: str, subject: str) -> float | None:
        """Most good answers per second of any closed loop."""
        rates = [self.value(key, "per_s") for key in self.keys(work, subject, "closed")]
        return max((rate for rate in rates if rate is not None), default=None)
