"""Medians, quartiles and quotients of what took turns."""

import pytest

from benchmarks.report.quartiles import Quartiles, number, quartiles_of, quotient


def test_quartiles_are_those_of_the_values() -> None:
    """The middle half lies between them."""
    assert quartiles_of([5.0, 1.0, 4.0, 2.0, 3.0]) == Quartiles(2.0, 3.0, 4.0, 5)
    assert quartiles_of([7.0]) == Quartiles(7.0, 7.0, 7.0, 1)
    assert quartiles_of([]) is None


def test_a_quotient_is_divided_within_its_turn() -> None:
    """A machine that halves its speed from one turn to the next changes nothing."""
    speed = dict(enumerate([1.0, 0.5, 0.8, 0.6, 1.0]))
    above, below = ({turn: rate * now for turn, now in speed.items()} for rate in (93.0, 100.0))
    found = quotient(above, below)
    assert found
    assert found[:3] == pytest.approx((0.93, 0.93, 0.93))
    assert found.n == 5


def test_one_disturbed_turn_does_not_move_a_quotient() -> None:
    """It is a median."""
    found = quotient({0: 90.0, 1: 20.0, 2: 91.0, 3: 90.0, 4: 92.0}, dict.fromkeys(range(5), 100.0))
    assert found
    assert found.median == 0.9


def test_only_turns_that_both_had_are_compared() -> None:
    """Three at least; and none by zero."""
    above = dict.fromkeys(range(6), 8.0)
    assert quotient(above, {0: 4.0, 3: 4.0, 5: 4.0, 9: 1.0}) == Quartiles(2.0, 2.0, 2.0, 3)
    assert quotient(above, {0: 4.0, 3: 4.0}) is None
    assert quotient(above, {0: 4.0, 3: 4.0, 5: 0.0}) is None
    assert quotient({}, above) is None


def test_a_spread_as_text() -> None:
    """Quartiles in brackets, but not those of one value."""
    assert Quartiles(0.9, 0.93, 0.954, 8).text == "0.93 (0.90-0.95)"
    assert Quartiles(2.5, 2.5, 2.5, 1).text == "2.50"


@pytest.mark.parametrize(("value", "text"), [(None, "-"), (0.12345, "0.12"), (12.345, "12.3"), (12345.6, "12346")])
def test_numbers_have_four_digits_at_most(value: float | None, text: str) -> None:
    """But all before the point."""
    assert number(value) == text
