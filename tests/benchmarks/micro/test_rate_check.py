"""The measurement of the limits measures requests that are let in."""

from benchmarks.micro.rate_check import measure


def test_the_check_is_measured() -> None:
    """One round is enough here: times above nothing, and no refusal."""
    with_key, without = measure(clients=10, rounds=1)
    assert min(with_key, without) > 0
