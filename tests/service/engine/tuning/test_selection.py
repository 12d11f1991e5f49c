"""Which of what was measured is chosen."""

import pytest

from service.engine.profile import Measurement
from service.engine.tuning.selection import explain_selection, select


def tried(batch_size: int, seconds: float, concurrency: int = 2) -> Measurement:
    return Measurement(
        precision="fp32",
        provider="cpu",
        concurrency=concurrency,
        threads_per_batch=2 // concurrency,
        batch_size=batch_size,
        seconds=seconds,
    )


def test_the_smallest_batch_within_the_tolerance_is_chosen() -> None:
    """Larger ones only add latency when they bring next to nothing."""
    fast, larger = tried(4, 0.0200), tried(8, 0.0402)
    assert select([tried(1, 0.010), fast, larger], latency_s=1) is fast
    assert select([fast, tried(8, 0.036)], latency_s=1).batch_size == 8


@pytest.mark.parametrize(
    ("alone", "pair"), [(tried(1, 0.0109), tried(2, 0.0216)), (tried(1, 0.0003), tried(2, 0.0006))]
)
def test_each_batch_has_to_be_handed_over(alone: Measurement, pair: Measurement) -> None:
    """So two at a time are better, although the network is no faster: in a thread, and in the event loop."""
    assert select([alone, pair], latency_s=1) is pair


def test_a_batch_that_takes_too_long_is_not_chosen() -> None:
    """However many images a second it brings."""
    quick, slow = tried(2, 0.04), tried(16, 0.2)
    assert select([quick, slow], latency_s=0.05) is quick
    assert "over 50 ms a batch" in explain_selection(quick, [quick, slow], 0.05)


def test_one_image_is_always_allowed() -> None:
    """A slow model is still served."""
    assert select([tried(1, 9.0), tried(2, 9.5)], latency_s=0.05).batch_size == 1


def test_of_equal_batches_the_faster_shape_is_chosen() -> None:
    """Also when the slower one is within the tolerance."""
    faster = tried(4, 0.0201)
    assert select([tried(4, 0.0102, concurrency=1), faster], latency_s=1) is faster


def test_the_reason_names_the_next_best() -> None:
    """By what differs from the chosen way."""
    chosen = tried(4, 0.020)
    text = explain_selection(chosen, [chosen, tried(4, 0.012, concurrency=1)], 0.05)
    assert text == (
        "381 images/s, batches of 4 in 20.0 ms; "
        "next best of 2 tried: 1 at a time of 2 threads, batches of 4 with 308 images/s"
    )
