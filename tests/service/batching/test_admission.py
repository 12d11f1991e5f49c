"""Requests that cannot be answered in time, or exceed a limit, are refused on arrival."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.batching.admission import AdmissionController, CapacityLimiter
from service.batching.latency_model import LatencyModel
from service.errors import DeadlineExceeded, QueueFull
from service.types import Priority

BULK, INTERACTIVE = Priority.BULK, Priority.INTERACTIVE


def forecast(concurrency: int = 2, max_batch_size: int = 4) -> LatencyModel:
    """10 ms a batch and 5 ms an image."""
    return LatencyModel(lambda images: 0.010 + 0.005 * images, concurrency, max_batch_size)


def test_what_comes_too_late_is_refused_on_arrival() -> None:
    """With the seconds until it would not be; who has more time is let in."""
    admission = AdmissionController(100, forecast())
    with admission.admit(40, deadline_s=1):
        assert admission.inside == 40
        with pytest.raises(QueueFull, match="with 40 images ahead") as caught, admission.admit(1, deadline_s=0.100):
            pass
        assert caught.value.retry_after_s == pytest.approx(1.3 * 6 * 0.030 - 0.100)
        with admission.admit(1, deadline_s=0.25):
            assert admission.inside == 41
    assert admission.inside == 0


def test_a_deadline_that_no_wait_would_help_is_said_so() -> None:
    """Coming back later makes no sense then."""
    admission = AdmissionController(100, forecast())
    with (
        admission.admit(1, deadline_s=1),
        pytest.raises(DeadlineExceeded, match="takes 15 ms even with nothing ahead"),
        admission.admit(1, deadline_s=0.010),
    ):
        pass


def test_with_nothing_ahead_even_a_dark_forecast_is_tried() -> None:
    """Or it would never learn that it is wrong."""
    admission = AdmissionController(100, forecast())
    with admission.admit(1, deadline_s=0.001):
        assert admission.inside == 1


def test_bulk_work_is_not_ahead_of_interactive_work() -> None:
    """It gives way; bulk work itself waits for all."""
    admission = AdmissionController(100, forecast())
    with admission.admit(40, 1, BULK):
        with admission.admit(1, 0.015, INTERACTIVE) as admitted:
            admitted.answered()
        with pytest.raises(QueueFull), admission.admit(1, 0.100, BULK):
            pass


def test_bulk_work_takes_at_most_half_of_the_places() -> None:
    """The rest is for interactive work; a refusal takes nothing."""
    admission = AdmissionController(10, forecast())
    with admission.admit(5, 1, BULK):
        with pytest.raises(QueueFull, match="5 of 5 bulk images"), admission.admit(1, 1, BULK):
            pass
        assert admission.inside == 5
        with admission.admit(5, 1):
            assert admission.inside == 10


def test_who_is_inside_is_told() -> None:
    """Interactive images only."""
    told: list[int] = []
    admission = AdmissionController(10, forecast(), on_interactive=told.append)
    with admission.admit(2, 1), admission.admit(3, 1, BULK), admission.admit(1, 1):
        assert told == [2, 3]
    assert told == [2, 3, 2, 0]


def test_the_error_of_the_forecast_is_told() -> None:
    """For each answer, not for what was refused."""
    errors: list[float] = []
    admission = AdmissionController(10, forecast(), errors.append)
    with admission.admit(1, 1) as admitted:
        admitted.answered()
    with admission.admit(1, 1):
        pass
    assert len(errors) == 1
    assert errors[0] > -0.015


FIRST, SECOND, THIRD = 1, 2, 3


def test_a_client_that_is_alone_may_use_all() -> None:
    """Shares are for several clients."""
    limiter = CapacityLimiter(8, "images")
    limiter.enter(8, FIRST)
    with pytest.raises(QueueFull, match="already holds 8 of 8 images") as refused:
        limiter.enter(1, SECOND)
    assert not refused.value.over_share


def test_where_clients_decide_how_long_they_hold_one_alone_leaves_room() -> None:
    """What a client without anything asks for is not limited by this, so that no request is too large for ever."""
    limiter = CapacityLimiter(8, "bytes", most_of_one=6)
    limiter.enter(6, FIRST)
    with pytest.raises(QueueFull, match="6 of 8 bytes are from this client, and the rest is for others"):
        limiter.enter(1, FIRST)
    limiter.enter(2, SECOND)
    limiter.leave(6, FIRST)
    limiter.leave(2, SECOND)
    limiter.enter(8, FIRST)


def test_over_three_quarters_a_client_gets_no_more_than_its_share() -> None:
    """The rest is kept for others, which may use as much; with each place that becomes free it may go on."""
    limiter = CapacityLimiter(8, "images", lambda inside: inside * 2.0)
    limiter.enter(1, SECOND)
    for _ in range(6):
        limiter.enter(1, FIRST)
    with pytest.raises(QueueFull, match="6 of 8 images are from this client, and the rest is for others") as refused:
        limiter.enter(1, FIRST)
    assert (refused.value.over_share, refused.value.retry_after_s, limiter.inside) == (True, 14.0, 7)
    limiter.enter(1, SECOND)
    limiter.leave(2, SECOND)
    limiter.enter(1, FIRST)
    limiter.enter(1, THIRD)


def test_a_client_without_a_place_is_let_in_with_any_number() -> None:
    """As long as there is room; what was refused takes nothing, and what has left is forgotten."""
    limiter = CapacityLimiter(8, "images")
    limiter.enter(6, FIRST)
    limiter.enter(1, SECOND)
    limiter.enter(1, THIRD)
    for client, count in ((FIRST, 6), (SECOND, 1), (THIRD, 1)):
        limiter.leave(count, client)
    limiter.enter(8, SECOND)
    assert limiter.inside == 8


def test_bulk_places_are_shared_too() -> None:
    """A client with bulk work does not keep another one from it."""
    admission = AdmissionController(16, forecast())
    with admission.admit(1, 1, BULK, SECOND), admission.admit(6, 1, BULK, FIRST):
        with pytest.raises(QueueFull, match="6 of 8 bulk images") as refused, admission.admit(1, 1, BULK, FIRST):
            pass
        assert refused.value.over_share
        with admission.admit(1, 1, BULK, SECOND):
            assert admission.inside == 8
    assert admission.inside == 0


def test_the_forecast_of_a_small_client_counts_its_turns() -> None:
    """Of another client's images only as many are ahead as it has itself; the other's next image waits for all."""
    told: list[int] = []
    admission = AdmissionController(100, forecast(), on_interactive=told.append)
    with admission.admit(40, 1, client=FIRST):
        with admission.admit(1, deadline_s=0.100, client=SECOND):
            assert told == [40, 41]
        with pytest.raises(QueueFull, match="with 40 images ahead"), admission.admit(1, 0.100, client=FIRST):
            pass


@given(st.lists(st.tuples(st.sampled_from([FIRST, SECOND, THIRD]), st.integers(1, 5), st.booleans()), max_size=60))
def test_no_sequence_exceeds_the_capacity(steps: list[tuple[int, int, bool]]) -> None:
    """And all that was let in can leave again."""
    limiter, held = CapacityLimiter(10, "images"), list[tuple[int, int]]()
    for client, count, leaves in steps:
        if leaves and held:
            limiter.leave(*held.pop(0))
        with suppress(QueueFull):
            limiter.enter(count, client)
            held.append((count, client))
        assert limiter.inside == sum(count for count, _ in held) <= 10
    for each in held:
        limiter.leave(*each)
    assert (limiter.inside, limiter.before(1, FIRST)) == (0, 0)
