"""The metrics of a process, as Prometheus reads them."""

from prometheus_client import generate_latest
from starlette.testclient import TestClient

from service.telemetry.metrics import STAGES, Metrics
from tests.support.pictures import picture


def test_applications_in_one_process_have_metrics_of_their_own() -> None:
    """Counting in one set of metrics does not change another one."""
    one, other = Metrics(), Metrics()
    one.requests.answered.labels("/v1/classify", 200).inc()
    labels = {"route": "/v1/classify", "status": "200"}
    assert one.registry.get_sample_value("snellen_requests_total", labels) == 1
    assert other.registry.get_sample_value("snellen_requests_total", labels) is None


def test_every_metric_has_a_name_of_its_own_and_a_description() -> None:
    """All names start with snellen_."""
    families = list(Metrics().registry.collect())
    assert all(family.name.startswith("snellen_") and family.documentation for family in families)
    assert len({family.name for family in families}) == len(families)


def test_every_stage_has_samples_before_the_first_request() -> None:
    """Prometheus needs the first sample of a series to compute a rate."""
    counts = {
        sample.labels["stage"]: sample.value
        for family in Metrics().registry.collect()
        for sample in family.samples
        if sample.name == "snellen_stage_seconds_count"
    }
    assert counts == dict.fromkeys(STAGES, 0)


def test_no_timestamp_of_creation_is_exported() -> None:
    """Series such as snellen_requests_created would double the number of samples."""
    metrics = Metrics()
    metrics.requests.answered.labels("/v1/classify", 200).inc()
    assert b"_created" not in generate_latest(metrics.registry)


def test_metrics_start_with_snellen_and_count_by_label(client: TestClient) -> None:
    """Requests are counted by route and status, problems by type, images by version."""
    client.post("/v1/classify", content=picture())
    client.post("/v1/classify", content=b"junk")
    text = client.get("/metrics").text
    names = {line.split("{")[0].split(" ")[0] for line in text.splitlines() if not line.startswith("#")}
    assert all(name.startswith("snellen_") for name in names)
    assert 'snellen_requests_total{route="/v1/classify",status="200"} 1.0' in text
    assert 'snellen_problems_total{type="unsupported-format"} 1.0' in text
    assert 'snellen_model_ready{model="colours",provider="cpu",version="2"} 1.0' in text
    assert 'snellen_images_total{model="colours",version="2"} 1.0' in text
