"""How a run of locust becomes a section of RESULTS.md."""

from typing import Any

from benchmarks.load.locust_report import TITLE, images_in, percentile, replace_section, table, throughput


def entry(name: str, response_times: dict[str, int], failed: int = 0) -> dict[str, Any]:
    return {
        "name": name,
        "num_failures": failed,
        "response_times": response_times,
        "max_response_time": max(map(float, response_times)),
        "start_time": 100.0,
        "last_request_timestamp": 110.0,
    }


def test_a_percentile_is_a_time_that_was_measured() -> None:
    """The smallest one that covers the share."""
    times = {10: 98, 20: 1, 500: 1}
    assert [percentile(times, share) for share in (0.5, 0.98, 0.99, 1.0)] == [10, 10, 20, 500]
    assert percentile({}, 0.5) == 0


def test_the_table_adds_up_and_names_bad_images_last() -> None:
    """Rates are over the whole run, and the sum is of the samples, not of the percentiles."""
    rows = list(table([entry("bad: empty", {"1": 10}, failed=2), entry("raw", {"40": 90})]))
    assert rows[2:] == [
        "| raw | 90 | 0 | 9.0 | 9.0 | 40 | 40 | 40 | 40 |",
        "| bad: empty | 10 | 2 | 1.0 | 0.0 | 1 | 1 | 1 | 1 |",
        "| all | 100 | 2 | 10.0 | 9.0 | 40 | 40 | 40 | 40 |",
    ]


def test_throughput_counts_images_and_only_those_that_were_classified() -> None:
    """A request with 8 images counts as 8; failures and bad images as none."""
    entries = [entry("8 images", {"50": 25}, failed=5), entry("raw", {"9": 40}), entry("bad: empty", {"1": 10})]
    assert [images_in(each) for each in entries] == [160, 40, 0]
    assert throughput(entries) == "20.0 images per second: 200 images in 10.0 s, in 75 requests, of which 5 failed"


def test_a_section_is_replaced_and_its_neighbours_stay() -> None:
    """Other benchmarks keep their results in the same file."""
    new = f"{TITLE}\n\nnew\n"
    document = f"# Results\n\n## Before\n\na\n\n{TITLE}\n\nold\n\n## After\n\nb\n"
    assert replace_section(document, new) == f"# Results\n\n## Before\n\na\n\n{new}\n## After\n\nb\n"
    assert replace_section("# Results\n", new) == f"# Results\n\n{new}"
