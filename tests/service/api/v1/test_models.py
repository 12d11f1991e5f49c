"""The list of models, and what clients can read of each."""

from pathlib import Path

from starlette.testclient import TestClient

from models.contract import Task
from tests.support.bundles import change_manifest, write_bundle
from tests.support.clients import ready_client


def test_every_version_is_listed(client: TestClient) -> None:
    """The list has the state and the provider of each version, and marks the one that answers by default."""
    listing = client.get("/v1/models").json()
    assert listing["default_model"] == "colours"
    assert [(m["name"], m["version"], m["default"], m["state"], m["provider"]) for m in listing["models"]] == [
        ("colours", "1", False, "ready", "cpu"),
        ("colours", "2", True, "ready", "cpu"),
        ("plain", "1", True, "ready", "cpu"),
    ]


def test_a_model_is_described(client: TestClient) -> None:
    """The description holds the labels, the versions, the coverages and the measured batch profile."""
    detail = client.get("/v1/models/colours").json()
    assert detail["labels"] == ["red", "green", "blue"]
    assert detail["versions"] == ["1", "2"]
    assert detail["coverages"] == [0.5, 0.9]
    assert detail["engine"]["provider"] == "cpu"
    assert detail["engine"]["batch_profile"][0]["batch_size"] == 1
    assert client.get("/v1/models/colours/versions/1").json()["version"] == "1"


def test_a_bundle_without_a_usable_manifest_is_listed(tmp_path: Path) -> None:
    """The version is not served, and the list has the reason, as the log does."""
    write_bundle(tmp_path, "colours", 1)
    change_manifest(write_bundle(tmp_path, "colours", 2), labels=[])
    with ready_client(tmp_path) as client:
        assert "labels" in client.get("/v1/models").json()["unreadable"]["colours/2"]


def test_a_description_tells_what_the_model_supports(client: TestClient) -> None:
    """A bundle without prediction sets has no coverages, and one of a single input size no dense section."""
    plain, colours = (client.get(f"/v1/models/{name}").json() for name in ("plain", "colours"))
    assert (plain["coverages"], plain["dense"], plain["heatmap"]) == ([], None, True)
    assert colours["coverages"] == [0.5, 0.9]
    assert colours["metrics"].keys() == {"fp32"}
    assert colours["input"]["height"] == 16


def test_a_rejected_version_is_described_without_an_engine(tmp_path: Path) -> None:
    """Its description has the reason; the newest ready version stays the default."""
    write_bundle(tmp_path, "colours", 1)
    (write_bundle(tmp_path, "colours", 2) / "golden/red.png").unlink()
    with ready_client(tmp_path) as client:
        rejected = client.get("/v1/models/colours/versions/2").json()
        assert client.get("/v1/models/colours").json()["version"] == "1"
    assert (rejected["state"], rejected["engine"], rejected["default"]) == ("failed", None, False)
    assert "red.png is missing" in rejected["reason"]


def test_a_description_has_the_task(tmp_path: Path) -> None:
    """Single or multilabel, with the thresholds in the calibration."""
    write_bundle(tmp_path)
    write_bundle(tmp_path, "tags", task=Task.MULTILABEL, thresholds=(0.2, 0.5, 0.7))
    with ready_client(tmp_path) as client:
        colours, tags = (client.get(f"/v1/models/{name}").json() for name in ("colours", "tags"))
    assert (colours["task"], colours["calibration"]["thresholds"]) == ("single", [])
    assert (tags["task"], tags["calibration"]["thresholds"], tags["coverages"]) == ("multilabel", [0.2, 0.5, 0.7], [])
