"""The forecast of the time to an answer: from measured batch times, corrected by the answers."""

import pytest

from service.batching.latency_model import LatencyModel


def forecast(concurrency: int = 2, max_batch_size: int = 4) -> LatencyModel:
    """Return a model of an engine whose batches take 10 ms, and 5 ms more for each image."""
    return LatencyModel(lambda images: 0.010 + 0.005 * images, concurrency, max_batch_size)


@pytest.mark.parametrize(
    ("ahead", "count", "milliseconds"),
    [(0, 1, 15), (0, 2, 15), (1, 2, 20), (7, 1, 30), (8, 1, 60), (16, 8, 90)],
)
def test_the_forecast_follows_from_the_size_and_the_number_of_batches(
    ahead: int, count: int, milliseconds: float
) -> None:
    """With two batches of up to four images at a time, further images wait for the next round of batches."""
    assert forecast().expected_s(ahead, count) == pytest.approx(milliseconds / 1000)


def test_the_forecast_follows_a_machine_that_is_slower_than_measured() -> None:
    """Answers that take twice the measured time double the forecast."""
    slow = forecast()
    for _ in range(60):
        slow.observe(3, 1, 2 * 0.020)
    assert slow.expected_s(7) == pytest.approx(2 * 0.030, rel=0.01)


def test_answers_to_older_forecasts_correct_the_model_only_once() -> None:
    """Many answers that take three times the measured time correct the forecast to three times, not further."""
    slow = forecast()
    for _ in range(200):
        slow.observe(7, 1, 3 * 0.030)
    assert slow.expected_s(7) == pytest.approx(3 * 0.030, rel=0.01)


def test_uneven_answers_raise_the_pessimistic_forecast() -> None:
    """The pessimistic forecast grows with the spread of the answers, and is at least 1.3 times the average."""
    even, uneven = forecast(), forecast()
    for turn in range(200):
        even.observe(0, 1, 0.015)
        uneven.observe(0, 1, 0.015 * (0.5 if turn % 2 else 1.5))
    assert even.pessimistic_s(0) == pytest.approx(1.3 * even.expected_s(0))
    assert uneven.expected_s(0) == pytest.approx(even.expected_s(0), rel=0.1)
    assert uneven.pessimistic_s(0) > 2 * uneven.expected_s(0)


def test_one_outlier_raises_the_forecast_by_a_bounded_factor() -> None:
    """One answer that takes a million seconds does not make the forecast exceed 20 times the measured time."""
    model = forecast()
    model.observe(0, 1, 1e6)
    assert model.expected_s(0) <= 20 * 0.015
