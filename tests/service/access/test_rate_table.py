"""What the processes count for the limits of clients."""

import math
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.access.rate_limit import RateLimit
from service.access.rate_table import RateTable, shared_table
from tests.conftest import ROOT

TEN = RateLimit(10, 20)


@pytest.fixture
def table() -> RateTable:
    return RateTable.of_this_process()


def taken(table: RateTable, client: int, limit: RateLimit, now: float, most: int = 1000) -> int:
    """Return how many single images are let in at a moment."""
    count = 0
    while count < most and table.take(client, limit, 1, now) == 0:
        count += 1
    return count


def test_a_burst_is_let_in_then_what_the_rate_allows(table: RateTable) -> None:
    """After a pause the whole burst again, never more."""
    assert taken(table, 1, TEN, now=1e6) == 20
    assert taken(table, 1, TEN, now=1e6 + 1) == 10
    assert taken(table, 1, TEN, now=1e6 + 1.1) == 1
    assert taken(table, 1, TEN, now=1e6 + 1e5) == 20


def test_a_refusal_tells_the_seconds_and_counts_nothing(table: RateTable) -> None:
    """After them the same images are let in, and not before."""
    assert table.take(1, TEN, 15, now=100) == 0
    assert table.take(1, TEN, 15, now=100) == pytest.approx(1.0)
    assert table.take(1, TEN, 15, now=100) == pytest.approx(1.0)
    assert table.take(1, TEN, 15, now=100.98) > 0
    assert table.take(1, TEN, 15, now=101) == 0


def test_clients_do_not_share_a_limit(table: RateTable) -> None:
    """Neither 500 keys nor 500 addresses, but for the chance of 1 in 1,000."""
    table.take(1, TEN, 20, now=100)
    others = [2**40 + number for number in range(500)] + [2**63 + number for number in range(500)]
    assert sum(table.take(client, TEN, 20, now=100) > 0 for client in others) < 10


def test_a_new_limit_holds_at_once(table: RateTable) -> None:
    """A client that used up a low limit does not wait for its end when it gets a higher one."""
    table.take(1, RateLimit(0.001, 1000), 1000, now=100)
    assert 0 < table.take(1, TEN, 1, now=100) <= 0.1 + 1e-6
    assert table.take(1, TEN, 1, now=100.2) == 0


@given(
    st.floats(0.001, 1_000_000),
    st.integers(1, 1000),
    st.floats(0, 1e7),
    st.lists(st.tuples(st.floats(0, 2), st.integers(1, 1000)), max_size=50),
)
def test_no_pattern_gets_more_than_rate_and_burst(
    rate: float, burst: int, start: float, requests: list[tuple[float, int]]
) -> None:
    """Whatever the pauses and sizes of requests are; and what is refused is let in after the seconds told."""
    table, limit, now, count = RateTable.of_this_process(), RateLimit(rate, burst), start, 0
    for pause, images in requests:
        now += pause / rate
        wanted = min(images, burst)
        wait_s = table.take(1, limit, wanted, now)
        if wait_s:
            now += wait_s
            assert table.take(1, limit, wanted, now) <= 1e-3 / rate
        count += wanted
        assert count <= burst + (now - start) * rate * (1 + 1e-9) + 1


def test_processes_share_a_table() -> None:
    """What another process counts is counted here, and the secret is the same."""
    descriptor = shared_table()
    code = (
        "import sys; from service.access.rate_limit import RateLimit; from service.access.rate_table import RateTable;"
        f"table = RateTable.at({descriptor}); print(table.take(1, RateLimit(10, 20), 15, 100.0))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], pass_fds=[descriptor], capture_output=True, text=True, check=True, cwd=ROOT
    )
    table = RateTable.at(descriptor)
    assert done.stdout == "0.0\n"
    assert taken(table, 1, TEN, now=100.0) == 5
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_unused_places_take_no_memory() -> None:
    """Ten clients touch at most ten pages of the 8 MiB."""
    descriptor = shared_table()
    table = RateTable.at(os.dup(descriptor))
    for number in range(10):
        table.take(2**64 - 1 - number, TEN, 1, now=100)
    assert os.fstat(descriptor).st_blocks * 512 <= 12 * 4096
    assert math.isclose(os.fstat(descriptor).st_size, 2**23, rel_tol=0.01)
    os.close(descriptor)
