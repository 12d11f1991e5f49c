"""Medians over the turns, and results on disk."""

from pathlib import Path

from benchmarks.harness.results import Key, Medians, read
from tests.benchmarks.samples import measurement, server, whole_run


def test_the_median_is_over_the_turns() -> None:
    """Of each value by itself."""
    key = Key("A", "service", "closed", "c=1 raw")
    rounds = [measurement(key, {"per_s": rate}, number) for number, rate in enumerate((10.0, 30.0, 11.0))]
    assert Medians(rounds).value(key, "per_s") == 11
    assert Medians(rounds).series(key, "per_s") == {0: 10.0, 1: 30.0, 2: 11.0}
    assert Medians(rounds).value(key, "p50_ms") is None
    assert Medians([]).row(key) == {}


def test_loads_are_in_the_order_of_their_size() -> None:
    """Whenever they were measured."""
    keys = [Key("A", "service", "closed", f"c={count} raw") for count in (32, 1, 256, 8)]
    found = Medians(measurement(key, {"per_s": 1.0}) for key in keys).keys("A", "service", "closed")
    assert [key.load for key in found] == ["c=1 raw", "c=8 raw", "c=32 raw", "c=256 raw"]


def test_a_server_is_found_by_its_connections_whatever_its_body() -> None:
    """Raw, where it was asked both ways."""
    forms = [Key("A", "service", "closed", f"c=1 {form}") for form in ("multipart", "raw")]
    medians = Medians(
        measurement(key, {"per_s": 1.0}) for key in [*forms, Key("A", "naive", "closed", "c=1 multipart")]
    )
    assert medians.closed("A", "service", 1) == forms[1]
    assert medians.closed("A", "naive", 1) == Key("A", "naive", "closed", "c=1 multipart")
    assert medians.closed("A", "mosec", 1) is None


def test_the_peak_is_the_best_load() -> None:
    """Of one server; nothing where there was none."""
    medians = Medians([*server("A", "service", 100), *server("A", "mosec", 200)])
    assert medians.peak("A", "service") == 100
    assert medians.peak("B", "service") is None


def test_results_survive_the_disk(tmp_path: Path) -> None:
    """All of them."""
    path = tmp_path / "deep" / "results.json"
    whole_run().write(path)
    assert read(path) == whole_run()
