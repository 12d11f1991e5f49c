"""What cannot be answered in time is refused on arrival; the forecast learns from what answers really took."""

import pytest

from service.batching.admission import AdmissionController
from service.batching.latency_model import LatencyModel
from service.errors import DeadlineExceeded, QueueFull
from service.types import Priority

BULK, INTERACTIVE = Priority.BULK, Priority.INTERACTIVE


def forecast(concurrency: int = 2, max_batch_size: int = 4) -> LatencyModel:
    """10 ms a batch and 5 ms an image."""
    return LatencyModel(lambda images: 0.010 + 0.005 * images, concurrency, max_batch_size)


@pytest.mark.parametrize(
    ("ahead", "count", "milliseconds"),
    [(0, 1, 15), (0, 2, 15), (1, 2, 20), (7, 1, 30), (8, 1, 60), (16, 8, 90)],
)
def test_the_wait_follows_from_batches_and_rounds(ahead: int, count: int, milliseconds: float) -> None:
    """Two batches at a time, of up to four images."""
    assert forecast().expected_s(ahead, count) == pytest.approx(milliseconds / 1000)


def test_the_forecast_learns_how_slow_the_machine_is() -> None:
    """Answers that take twice the profile's time double what is expected."""
    slow = forecast()
    for _ in range(60):
        slow.observe(3, 1, 2 * 0.020)
    assert slow.expected_s(7) == pytest.approx(2 * 0.030, rel=0.01)


def test_answers_to_older_forecasts_do_not_add_up() -> None:
    """Many that were accepted before anything was learnt say the same, not each a little more."""
    slow = forecast()
    for _ in range(200):
        slow.observe(7, 1, 3 * 0.030)
    assert slow.expected_s(7) == pytest.approx(3 * 0.030, rel=0.01)


def test_uneven_answers_keep_more_room() -> None:
    """What is refused by is not the average but what few answers exceed, 1.3 times it at least."""
    even, uneven = forecast(), forecast()
    for turn in range(200):
        even.observe(0, 1, 0.015)
        uneven.observe(0, 1, 0.015 * (0.5 if turn % 2 else 1.5))
    assert even.pessimistic_s(0) == pytest.approx(1.3 * even.expected_s(0))
    assert uneven.expected_s(0) == pytest.approx(even.expected_s(0), rel=0.1)
    assert uneven.pessimistic_s(0) > 2 * uneven.expected_s(0)


def test_one_strange_answer_does_not_close_the_door() -> None:
    """Its weight is small, and the correction has a bound."""
    strange = forecast()
    strange.observe(0, 1, 1e6)
    assert strange.expected_s(0) <= 20 * 0.015


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
        with admission.admit(1, 0.015, INTERACTIVE) as answered:
            answered()
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
    with admission.admit(1, 1) as answered:
        answered()
    with admission.admit(1, 1):
        pass
    assert len(errors) == 1
    assert errors[0] > -0.015
