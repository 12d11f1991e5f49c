"""What is read from the service's metrics and headers."""

from benchmarks.harness.prometheus_scrape import BatchSizes, parse_stages

METRICS = """# TYPE snellen_batch_size histogram
snellen_batch_size_bucket{{le="1.0",model="m",version="1"}} {one}
snellen_batch_size_bucket{{le="2.0",model="m",version="1"}} {two}
snellen_batch_size_bucket{{le="+Inf",model="m",version="1"}} {two}
snellen_batch_size_count{{model="m",version="1"}} {two}
snellen_batch_size_sum{{model="m",version="1"}} {images}
"""


def test_batches_between_two_looks_at_the_metrics() -> None:
    """Three batches of one image and two of two."""
    before, after = (BatchSizes(METRICS.format(one=o, two=t, images=i)) for o, t, i in ((5, 6, 7), (8, 11, 14)))
    assert after.since(before) == (7 / 5, {"1": 3, "2": 2})
    assert after.since(after) == (0.0, {})


def test_stages_of_a_server_timing_header() -> None:
    """In ms, by name."""
    assert parse_stages("decode;dur=2.5, infer;dur=10, total; dur=13.1") == {"decode": 2.5, "infer": 10, "total": 13.1}
