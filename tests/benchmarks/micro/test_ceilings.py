"""How a stage alone is timed."""

from benchmarks.micro.ceilings import timed


def test_a_call_is_timed_at_least_five_times() -> None:
    """However little time there is."""
    calls: list[int] = []
    assert timed(lambda: calls.append(1), 0.0)["n"] >= 5
