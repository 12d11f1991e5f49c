"""The metrics of a process, as Prometheus sees them."""

from service.telemetry.metrics import STAGES, Metrics


def test_all_names_say_whose_they_are() -> None:
    """And each metric says what it is."""
    families = list(Metrics().registry.collect())
    assert all(family.name.startswith("snellen_") and family.documentation for family in families)
    assert len({family.name for family in families}) == len(families)


def test_stages_are_there_before_the_first_request() -> None:
    """A rate over a missing series would be no number."""
    counts = {
        sample.labels["stage"]: sample.value
        for family in Metrics().registry.collect()
        for sample in family.samples
        if sample.name == "snellen_stage_seconds_count"
    }
    assert counts == dict.fromkeys(STAGES, 0)
