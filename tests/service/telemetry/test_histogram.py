"""Histograms of our own are the library's to whoever scrapes."""

import prometheus_client
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from service.telemetry.histogram import Histogram

AMOUNTS = (-3.0, -0.5, -0.1, 0.0, 0.1, 0.10001, 0.3, 1, 1.5, 400.0)


@pytest.mark.parametrize("buckets", [(0.1, 0.3, 1, 10), (-0.5, 0, 0.5)])
def test_a_scrape_shows_what_the_librarys_would_show(buckets: tuple[float, ...]) -> None:
    """Names, labels, bounds, counts and sums; no sum where the first bound is negative."""
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    mine = Histogram("seconds", "Of a stage", ("stage", "kind"), buckets=buckets, registry=ours)
    library = prometheus_client.Histogram("seconds", "Of a stage", ("stage", "kind"), buckets=buckets, registry=theirs)
    for amount in AMOUNTS:
        mine.labels("decode", "a").observe(amount)
        library.labels("decode", "a").observe(amount)
    mine.labels("unused", "b")
    library.labels("unused", "b")
    assert generate_latest(ours) == generate_latest(theirs)


def test_nothing_is_shown_before_there_are_labels() -> None:
    """As of any metric with labels."""
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    Histogram("seconds", "Of a stage", ("stage",), buckets=(1,), registry=ours)
    prometheus_client.Histogram("seconds", "Of a stage", ("stage",), buckets=(1,), registry=theirs)
    assert generate_latest(ours) == generate_latest(theirs)


def test_a_name_is_given_once() -> None:
    """The registry refuses the second."""
    registry = CollectorRegistry()
    Histogram("seconds", "Of a stage", ("stage",), buckets=(1,), registry=registry)
    with pytest.raises(ValueError, match="Duplicated"):
        Histogram("seconds", "Of a stage", ("stage",), buckets=(1,), registry=registry)
