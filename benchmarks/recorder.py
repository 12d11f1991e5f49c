"""Collects what a run finds out."""

from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.results import Key, Measurement


@dataclass
class Recorder:
    """`say` hears of every note at once."""

    say: Callable[[str], None] = print
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
        self.say(text)
