"""What several processes have counted."""

from service.telemetry.aggregation import Family, Snapshot, counters_only, merge_snapshots


def snapshot(requests: float, ready: float) -> Snapshot:
    return [
        Family("snellen_requests", "counter", "", [("snellen_requests_total", {"status": "200"}, requests)]),
        Family("snellen_ready", "gauge", "", [("snellen_ready", {}, ready)]),
    ]


def test_counters_add_up_and_readiness_is_that_of_all() -> None:
    """Two frontends, one of which is still loading."""
    requests, ready = merge_snapshots([snapshot(3, 1), snapshot(4, 0)])
    assert requests.samples == [("snellen_requests_total", {"status": "200"}, 7)]
    assert ready.samples == [("snellen_ready", {}, 0)]


def test_labels_keep_samples_apart() -> None:
    """Order of labels does not matter."""
    one = Family("n", "counter", "", [("n_total", {"a": "1", "b": "2"}, 1), ("n_total", {"a": "2", "b": "2"}, 5)])
    other = Family("n", "counter", "", [("n_total", {"b": "2", "a": "1"}, 10)])
    assert [value for _, _, value in merge_snapshots([[one], [other]])[0].samples] == [11, 5]


def test_what_an_ended_process_counted_lasts() -> None:
    """Its gauges do not."""
    assert [family.name for family in counters_only(snapshot(3, 1))] == ["snellen_requests"]
