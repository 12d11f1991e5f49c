"""The measured batch times of a machine, and what is computed from them."""

import pytest
from pydantic import ValidationError

from service.engine.profile import INLINE_S, BatchSeconds, Measurement, Profile, largest_within


def tried(batch_size: int, seconds: float, concurrency: int = 2) -> Measurement:
    """Return the measurement of a batch size on the CPU with one thread per batch."""
    return Measurement(
        precision="fp32",
        provider="cpu",
        concurrency=concurrency,
        threads_per_batch=1,
        batch_size=batch_size,
        seconds=seconds,
    )


@pytest.mark.parametrize(("size", "seconds"), [(1, 0.01), (2, 0.02), (3, 0.03), (4, 0.03), (8, 0.06)])
def test_a_profile_knows_the_time_of_every_size(size: int, seconds: float) -> None:
    """The time is that of the next larger measured size; beyond the largest, it grows in proportion to the size."""
    points = (BatchSeconds(1, 0.01), BatchSeconds(2, 0.02), BatchSeconds(4, 0.03))
    profile = Profile(chosen=tried(4, 0.03), points=points, alone_s=0.008, reason="it is")
    assert profile.seconds(size) == pytest.approx(seconds)
    assert profile.images_per_s == pytest.approx(2 * 4 / 0.031)
    assert Profile.model_validate_json(profile.model_dump_json()) == profile


def test_throughput_counts_the_dispatch_of_a_batch() -> None:
    """Dispatch takes 1 ms in a thread, and 0.2 ms for a batch that is short enough for the event loop."""
    assert BatchSeconds(4, 0.039).images_per_s == pytest.approx(100)
    assert BatchSeconds(1, 0.0048).images_per_s == pytest.approx(200)
    assert BatchSeconds(1, INLINE_S).images_per_s > BatchSeconds(1, INLINE_S * 1.1).images_per_s


def test_throughput_is_that_of_all_callers() -> None:
    """Callers that run at a time add up, as the time was measured with all of them running."""
    assert tried(4, 0.039, concurrency=3).images_per_s == pytest.approx(300)


def test_the_batch_size_is_the_chosen_one() -> None:
    """Batches are formed of the chosen size, although a larger one was measured."""
    points = (BatchSeconds(1, 0.01), BatchSeconds(2, 0.02), BatchSeconds(4, 0.05))
    profile = Profile(chosen=tried(2, 0.02), points=points, alone_s=0.008, reason="the smallest within 3%")
    assert profile.batch_size == 2
    assert profile.images_per_s == profile.chosen.images_per_s == pytest.approx(2 * 2 / 0.021)


@pytest.mark.parametrize(
    ("times", "size"),
    [
        ({1: 0.010, 2: 0.019, 4: 0.037}, 1),
        ({1: 0.010, 2: 0.014, 4: 0.023}, 2),
        ({1: 0.010, 4: 0.012}, 4),
        ({4: 0.012, 8: 0.013}, 4),
    ],
)
def test_a_crowded_batch_is_the_smallest_with_four_fifths_of_the_throughput(times: dict[int, float], size: int) -> None:
    """Never a larger one than the chosen one, here of 4 images."""
    points = tuple(BatchSeconds(*point) for point in times.items())
    profile = Profile(chosen=tried(4, times[4]), points=points, alone_s=0.008, reason="it is")
    assert profile.crowded_batch_size == size


@pytest.mark.parametrize(("seconds", "size"), [(0.005, 0), (0.01, 1), (0.029, 2), (1.0, 4)])
def test_the_largest_batch_within_a_time_is_found(seconds: float, size: int) -> None:
    """The limit itself is allowed, and no batch fits a time below that of one image."""
    assert largest_within([BatchSeconds(1, 0.01), BatchSeconds(2, 0.02), BatchSeconds(4, 0.03)], seconds) == size


def test_a_profile_without_measured_times_is_refused() -> None:
    """A stored profile without points cannot answer for any size, so it does not validate."""
    with pytest.raises(ValidationError, match="points"):
        Profile(chosen=tried(1, 0.01), points=(), alone_s=0.01, reason="there was no other")
