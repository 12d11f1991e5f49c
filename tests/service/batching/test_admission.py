"""Requests that cannot be answered in time, or exceed a limit, are refused on arrival."""

import pytest

from service.batching.admission import AdmissionController
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
