"""Taking turns: everything that is compared runs for a short slice, one after another, many times over."""

import subprocess
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar

from benchmarks.harness.results import Key, Recorder
from benchmarks.harness.server_process import ServerFailed

FAILURES = (ServerFailed, OSError, RuntimeError, ValueError, subprocess.CalledProcessError)
"""What a server or a load may end in; each costs its own numbers."""
T = TypeVar("T")


class SliceResult(NamedTuple):
    """What one slice measured; counts by status, batches by their largest size."""

    values: dict[str, float]
    statuses: dict[str, int] = {}
    batches: dict[str, float] = {}


class Participant(Protocol):
    """Who stays up through all turns."""

    name: str

    def active(self) -> AbstractContextManager[None]:
        """As long as a slice lasts; what is not awake uses no CPU."""

    def check(self) -> None:
        """Raises RuntimeError when it has died."""


@dataclass(frozen=True)
class Slice:
    """What one member does when it is its turn, and as what it is recorded."""

    key: Key
    participant: Participant
    run: Callable[[], SliceResult]


def turn_order(items: Sequence[T], turn: int) -> list[T]:
    """Every other turn is the one before it backwards, so that a drift cancels; each pair begins one further on."""
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
    """Run and record every slice in every turn. Who fails is named in the notes, joins `gone` and has no more turns."""
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
