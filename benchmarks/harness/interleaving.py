"""Interleave measurements: everything that is compared runs in short slices, one after another, in many turns."""

import subprocess
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar

from benchmarks.harness.results import Key, Recorder
from benchmarks.harness.server_process import ServerFailed

FAILURES = (ServerFailed, OSError, RuntimeError, ValueError, subprocess.CalledProcessError)
"""Errors that a server or a load may raise; the run goes on without that participant."""
T = TypeVar("T")


class SliceResult(NamedTuple):
    """The measurements of one slice: values by name, counts by status, numbers of batches by upper bound of size."""

    values: dict[str, float]
    statuses: dict[str, int] = {}
    batches: dict[str, float] = {}


class Participant(Protocol):
    """A server or ceiling that stays up during all turns."""

    name: str

    def active(self) -> AbstractContextManager[None]:
        """Enter for the duration of a slice; outside of it the participant uses no CPU."""

    def check(self) -> None:
        """Raise RuntimeError when the participant has ended."""


@dataclass(frozen=True)
class Slice:
    """What one participant does in its turn, and the key under which the result is recorded."""

    key: Key
    participant: Participant
    run: Callable[[], SliceResult]


def turn_order(items: Sequence[T], turn: int) -> list[T]:
    """Return the items in the order of a turn.

    Every odd turn reverses the turn before it, so that a drift of the machine's speed cancels out; each pair of turns
    begins one item later than the pair before it.
    """
    begin = turn // 2 % len(items) if items else 0
    rotated = [*items[begin:], *items[:begin]]
    return rotated[::-1] if turn % 2 else rotated


def run_interleaved(
    recorder: Recorder,
    slices: Sequence[Slice],
    turns: Iterable[int],
    on_progress: Callable[[str], None],
    failed: set[str],
) -> None:
    """Run and record every slice in every turn; a participant that fails is noted, added to `failed` and skipped."""
    for turn in turns:
        for piece in turn_order(slices, turn):
            on_progress(f"{piece.key.workload}: {piece.participant.name}")
            if piece.participant.name not in failed:
                _run_slice(recorder, piece, turn, failed)


def _run_slice(recorder: Recorder, piece: Slice, turn: int, failed: set[str]) -> None:
    try:
        with piece.participant.active():
            found = piece.run()
            piece.participant.check()
    except FAILURES as error:
        failed.add(piece.participant.name)
        recorder.note(f"{piece.key.workload}, turn {turn + 1}, {piece.participant.name}: {error}")
    else:
        recorder.add(piece.key, turn, *found)
