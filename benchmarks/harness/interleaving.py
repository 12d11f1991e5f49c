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


class Found(NamedTuple):
    """What one slice measured; counts by status, batches by their largest size."""

    values: dict[str, float]
    statuses: dict[str, int] = {}
    batches: dict[str, float] = {}


class Member(Protocol):
    """Who stays up through all turns."""

    name: str

    def awake(self) -> AbstractContextManager[None]:
        """As long as a slice lasts; what is not awake uses no CPU."""

    def check(self) -> None:
        """Raises RuntimeError when it has died."""


@dataclass(frozen=True)
class Slice:
    """What one member does when it is its turn, and as what it is recorded."""

    key: Key
    member: Member
    run: Callable[[], Found]


def order(items: Sequence[T], turn: int) -> list[T]:
    """Every other turn is the one before it backwards, so that a drift cancels; each pair begins one further on."""
    begin = turn // 2 % len(items) if items else 0
    rotated = [*items[begin:], *items[:begin]]
    return rotated[::-1] if turn % 2 else rotated


def take(
    recorder: Recorder, slices: Sequence[Slice], turns: Iterable[int], say: Callable[[str], None], gone: set[str]
) -> None:
    """Run and record every slice in every turn. Who fails is named in the notes, joins `gone` and has no more turns."""
    for turn in turns:
        for piece in order(slices, turn):
            say(f"{piece.key.work}: {piece.member.name}")
            if piece.member.name not in gone:
                _take(recorder, piece, turn, gone)


def _take(recorder: Recorder, piece: Slice, turn: int, gone: set[str]) -> None:
    try:
        with piece.member.awake():
            found = piece.run()
            piece.member.check()
    except FAILURES as error:
        gone.add(piece.member.name)
        recorder.note(f"{piece.key.work}, turn {turn + 1}, {piece.member.name}: {error}")
    else:
        recorder.add(piece.key, turn, *found)
