"""The order of the turns, and what a member that fails costs."""

from contextlib import nullcontext

import pytest

from benchmarks.harness.interleaving import Slice, SliceResult, run_interleaved, turn_order
from benchmarks.harness.results import Key, Medians, Recorder

NAMES = ["ceiling", "echo", "service", "mosec"]


def test_every_other_turn_is_the_one_before_backwards() -> None:
    """So that a machine that gets slower and slower favours nobody."""
    for pair in range(6):
        assert turn_order(NAMES, 2 * pair + 1) == turn_order(NAMES, 2 * pair)[::-1]


def test_each_pair_of_turns_begins_one_further_on() -> None:
    """Everybody has been first, and everybody takes part in each."""
    assert [turn_order(NAMES, turn)[0] for turn in range(0, 8, 2)] == NAMES
    assert all(sorted(turn_order(NAMES, turn)) == sorted(NAMES) for turn in range(9))
    assert turn_order([], 3) == []


@pytest.mark.parametrize("name", NAMES)
def test_on_average_all_have_the_same_place(name: str) -> None:
    """The middle."""
    assert sum(turn_order(NAMES, turn).index(name) for turn in range(8)) / 8 == 1.5


class Mortal:
    """Has so many turns to live; dies in the next one, before its slice can be recorded."""

    def __init__(self, name: str, lives: int = 1000) -> None:
        self.name = name
        self.lives = lives

    def active(self) -> "nullcontext[None]":
        return nullcontext()

    def check(self) -> None:
        if self.lives < 0:
            raise RuntimeError("killed by a test")

    def slice(self) -> Slice:
        return Slice(Key("A", self.name, "closed", "c=32 raw"), self, self._run)

    def _run(self) -> SliceResult:
        self.lives -= 1
        return SliceResult({"per_s": 10.0}, {"below 400": 10})


def taken(members: list[Mortal], turns: int, said: list[str]) -> tuple[Recorder, set[str]]:
    recorder, failed = Recorder(lambda _: None), set[str]()
    run_interleaved(recorder, [participant.slice() for participant in members], range(turns), said.append, failed)
    return recorder, failed


def test_everybody_runs_once_a_turn() -> None:
    """And is recorded with the number of the turn."""
    said: list[str] = []
    recorder, failed = taken([Mortal("service"), Mortal("mosec")], 4, said)
    assert [(m.subject, m.turn) for m in recorder.measurements[:4]] == [
        ("service", 0),
        ("mosec", 0),
        ("mosec", 1),
        ("service", 1),
    ]
    assert len(said) == len(recorder.measurements) == 8
    assert not failed
    assert recorder.measurements[0].statuses == {"below 400": 10}


def test_who_dies_is_named_once_and_costs_only_its_own_numbers() -> None:
    """The turns before are kept, the slice in which it died is not, and the others go on."""
    said: list[str] = []
    recorder, failed = taken([Mortal("service"), Mortal("mosec", lives=2)], 5, said)
    medians = Medians(recorder.measurements)
    assert failed == {"mosec"}
    assert recorder.notes == ["A, turn 3, mosec: killed by a test"]
    assert list(medians.series(Key("A", "service", "closed", "c=32 raw"), "per_s")) == [0, 1, 2, 3, 4]
    assert list(medians.series(Key("A", "mosec", "closed", "c=32 raw"), "per_s")) == [0, 1]
    assert len(said) == 10
