"""When an alarm rings, on a clock that the tests move."""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import pytest

from service.server.http.alarm import Alarm


@dataclass
class Timer:
    """One call at its time."""

    at: float
    call: Callable[[], None]
    cancelled: bool = False

    def when(self) -> float:
        return self.at

    def cancel(self) -> None:
        self.cancelled = True


@dataclass
class Loop:
    """What an alarm uses of an event loop."""

    now: float = 0.0
    timers: list[Timer] = field(default_factory=list)
    made: int = 0

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, call: Callable[[], None]) -> Timer:
        self.made += 1
        self.timers.append(Timer(when, call))
        return self.timers[-1]

    def go_to(self, now: float) -> None:
        """Timers that are due are called in their order."""
        while due := [timer for timer in self.timers if timer.at <= now and not timer.cancelled]:
            first = min(due, key=Timer.when)
            self.timers.remove(first)
            self.now = first.at
            first.call()
        self.now = now


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def rung(loop: Loop) -> list[float]:
    """When it did."""
    return []


@pytest.fixture
def alarm(loop: Loop, rung: list[float]) -> Alarm:
    return Alarm(cast(asyncio.AbstractEventLoop, loop), lambda: rung.append(loop.now))


def test_it_rings_once_when_its_time_has_passed(loop: Loop, alarm: Alarm, rung: list[float]) -> None:
    """Not again later."""
    alarm.set(5)
    loop.go_to(4)
    assert rung == []
    loop.go_to(100)
    assert rung == [5]


def test_a_later_time_takes_the_place_of_the_one_before(loop: Loop, alarm: Alarm, rung: list[float]) -> None:
    """With one timer for many that are set."""
    for now in range(4):
        loop.go_to(now)
        alarm.set(5)
    assert loop.made == 1
    loop.go_to(100)
    assert rung == [8]


def test_an_earlier_time_takes_the_place_of_the_one_before(loop: Loop, alarm: Alarm, rung: list[float]) -> None:
    """The timer that ran is no more."""
    alarm.set(50)
    alarm.set(2)
    loop.go_to(100)
    assert rung == [2]


def test_it_does_not_ring_while_there_is_no_time(loop: Loop, alarm: Alarm, rung: list[float]) -> None:
    """And can be set again."""
    alarm.set(5)
    alarm.set(math.inf)
    loop.go_to(20)
    assert rung == []
    alarm.set(5)
    loop.go_to(100)
    assert rung == [25]


def test_cancelled_it_leaves_nothing(loop: Loop, alarm: Alarm, rung: list[float]) -> None:
    """No timer holds on to whom it would have called."""
    alarm.set(5)
    alarm.cancel()
    assert all(timer.cancelled for timer in loop.timers)
    loop.go_to(100)
    assert rung == []


def test_a_timer_that_comes_a_little_early_is_in_time(loop: Loop, alarm: Alarm, rung: list[float]) -> None:
    """Clocks have whole milliseconds."""
    alarm.set(5.0004)
    loop.timers[0].at = 5.0
    loop.go_to(100)
    assert rung == [5.0]
