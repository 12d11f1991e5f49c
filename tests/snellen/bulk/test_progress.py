"""Progress of a run."""

import io
from collections.abc import Callable

import pytest
from rich.console import Console

from snellen.bulk.progress import Rate, progress_shown


def clock(*seconds: float) -> Callable[[], float]:
    """Return a clock that shows these, and the last one from then on."""
    times = [*seconds]
    return lambda: times.pop(0) if len(times) > 1 else times[0]


def test_the_rate_is_of_this_process() -> None:
    """What an earlier one classified counts for what is left."""
    rate = Rate(1000, 5000, clock(10, 20))
    rate.images += 500
    assert rate.line() == "1,500 of 5,000 images, 50.0 images/s, 0:01:10 left"
    assert "time left unknown" in Rate(0, 10, clock(0)).line()


def test_without_a_terminal_there_is_a_line_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    """On standard error."""
    rate = Rate(0, 1000, clock(0, 1, 59, 61, 61, 61, 100, 130))
    with progress_shown(rate, Console(file=io.StringIO())) as advance:
        for _ in range(6):
            advance(100)
    lines = capsys.readouterr().err.splitlines()
    assert [line.startswith("snellen: ") and line.endswith("left") for line in lines] == [True, True]


def test_a_terminal_shows_rate_and_time_left() -> None:
    """In a bar that goes on where the last run ended."""
    screen = io.StringIO()
    rate = Rate(500, 1000, clock(0, 10))
    with progress_shown(rate, Console(file=screen, force_terminal=True, width=120)) as advance:
        advance(100)
    assert "600/1000" in screen.getvalue()
    assert "10.0 images/s" in screen.getvalue()
