"""Answers are counted beside the baseline of their bundle, with equal labels and a bounded number of series."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from models.contract import MANIFEST, Manifest, Precision, read_bundle
from service.telemetry.aggregation import collect_snapshot, merge_snapshots
from service.telemetry.metrics import Metrics
from tests.support.bundles import add_baseline, write_bundle
from tests.support.pictures import RED, picture

VERSION = {"model": "colours", "version": "1"}


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """A bundle with a baseline and an energy threshold."""
    return read_bundle(add_baseline(write_bundle(tmp_path, energy_threshold=-5))).manifest


def of_many_classes(folder: Path, classes: int, *, named: int = 0) -> Manifest:
    """Return the manifest of a network of so many classes. named: classes with a share in its baseline; 0: none."""
    content = json.loads((write_bundle(folder) / MANIFEST).read_text())
    content["labels"] = [f"class {class_id}" for class_id in range(classes)]
    if named:
        content["calibration"]["baseline"] = {
            "measured_on": "made",
            "images": 100,
            "classes": [{"class_id": class_id, "share": 0.01} for class_id in range(classes - named, classes)],
            "other": 1 - 0.01 * named,
            "bounds": [0.5],
            "confidence": [0.5, 0.5],
        }
    return Manifest.model_validate(content)


def series(metrics: Metrics, name: str, label: str) -> Mapping[str, float]:
    """Return the values of a metric by one of its labels."""
    return {
        sample.labels[label]: sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == name
    }


def test_answers_are_counted_by_class_and_confidence(manifest: Manifest) -> None:
    """A confidence on a bound belongs to the bin below it; every series is there before the first answer."""
    metrics = Metrics()
    observer = metrics.drift.observer(manifest, Precision.FP32)
    assert series(metrics, "snellen_predicted_images_total", "label") == {"red": 0, "green": 0, "blue": 0}
    observer.observe(0, 0.9, False)
    observer.observe(2, 0.5, True)
    observer.observe(2, 1.0, False)
    assert series(metrics, "snellen_predicted_images_total", "class_id") == {"0": 1, "1": 0, "2": 2}
    assert series(metrics, "snellen_confidence_images_total", "bin") == {"0 to 0.5": 1, "0.5 to 0.9": 1, "0.9 to 1": 1}
    assert metrics.registry.get_sample_value("snellen_unfamiliar_images_total", VERSION) == 1


def test_the_baseline_has_the_labels_of_the_counters(manifest: Manifest) -> None:
    """So that Prometheus finds one beside the other."""
    metrics = Metrics()
    metrics.drift.observer(manifest, Precision.FP32)
    labels = {
        family.name: {tuple(sorted(sample.labels.items())) for sample in family.samples}
        for family in metrics.registry.collect()
    }
    assert labels["snellen_baseline_class_share"] == labels["snellen_predicted_images"]
    assert labels["snellen_baseline_confidence_share"] == labels["snellen_confidence_images"]
    assert labels["snellen_baseline_unfamiliar_share"] == labels["snellen_unfamiliar_images"]
    assert series(metrics, "snellen_baseline_class_share", "label") == {"red": 0.5, "green": 0.3, "blue": 0.2}
    assert metrics.registry.get_sample_value("snellen_baseline_images", VERSION) == 1000


def test_a_variant_without_an_energy_threshold_counts_no_unfamiliar_images(manifest: Manifest) -> None:
    """A series that stays at 0 would say that all images are familiar."""
    metrics = Metrics()
    metrics.drift.observer(manifest, Precision.PRUNED).observe(0, 1.0, None)
    assert series(metrics, "snellen_unfamiliar_images_total", "version") == {}
    assert series(metrics, "snellen_baseline_unfamiliar_share", "version") == {}


def test_classes_that_the_baseline_does_not_name_are_counted_together(tmp_path: Path) -> None:
    """A network of 1,000 classes has 50 series."""
    metrics = Metrics()
    observer = metrics.drift.observer(of_many_classes(tmp_path, 1000, named=49), Precision.FP32)
    for class_id in (0, 1, 999):
        observer.observe(class_id, 0.4, None)
    counts = series(metrics, "snellen_predicted_images_total", "class_id")
    assert len(counts) == 50
    assert (counts["other"], counts["999"]) == (2, 1)
    assert series(metrics, "snellen_baseline_class_share", "class_id").keys() == counts.keys()


@pytest.mark.parametrize(("classes", "counted"), [(50, 50), (51, 0)])
def test_without_a_baseline_few_classes_are_counted_and_many_are_not(
    tmp_path: Path, classes: int, counted: int
) -> None:
    """The confidence is counted anyhow, in the bins of new baselines."""
    metrics = Metrics()
    metrics.drift.observer(of_many_classes(tmp_path, classes), Precision.FP32).observe(50, 0.97, None)
    assert len(series(metrics, "snellen_predicted_images_total", "class_id")) == counted
    assert series(metrics, "snellen_confidence_images_total", "bin")["0.95 to 0.99"] == 1
    assert series(metrics, "snellen_baseline_confidence_share", "bin") == {}


def test_nothing_of_a_retired_version_is_left(manifest: Manifest) -> None:
    """Another version of the model stays as it is."""
    metrics = Metrics()
    metrics.drift.observer(manifest, Precision.FP32).observe(0, 1.0, True)
    newer = manifest.model_copy(update={"version": 2})
    metrics.drift.observer(newer, Precision.FP32).observe(1, 1.0, False)
    before = metrics.registry.get_sample_value(
        "snellen_predicted_images_total", {**VERSION, "version": "2", "class_id": "1", "label": "green"}
    )
    metrics.forget("colours", "1")
    samples = [sample for family in metrics.registry.collect() for sample in family.samples]
    assert {sample.labels["version"] for sample in samples if "version" in sample.labels} == {"2"}
    assert before == 1


def test_processes_add_their_counts_and_share_their_baseline(manifest: Manifest) -> None:
    """Of two frontends and an engine process that counts nothing."""
    processes = [Metrics() for _ in range(3)]
    observers = [metrics.drift.observer(manifest, Precision.FP32) for metrics in processes]
    observers[0].observe(0, 1.0, True)
    observers[1].observe(0, 1.0, True)
    merged = merge_snapshots(json.loads(collect_snapshot(metrics.registry)) for metrics in processes)
    values = {
        (name, labels.get("label") or labels.get("bin")): value
        for family in merged
        for name, labels, value in family.samples
    }
    assert values["snellen_predicted_images_total", "red"] == 2
    assert values["snellen_confidence_images_total", "0.9 to 1"] == 2
    assert values["snellen_unfamiliar_images_total", None] == 2
    assert values["snellen_baseline_class_share", "red"] == 0.5
    assert values["snellen_baseline_confidence_share", "0.9 to 1"] == 0.7
    assert values["snellen_baseline_unfamiliar_share", None] == 0.05
    assert values["snellen_baseline_images", None] == 1000


def test_classified_images_are_counted_and_refused_ones_are_not(client: TestClient) -> None:
    """Each image of a request once."""
    client.post("/v1/classify", content=picture(RED))
    client.post("/v1/classify", files=[("image", picture(RED)), ("image", b"junk")])
    text = client.get("/metrics").text
    assert 'snellen_predicted_images_total{class_id="0",label="red",model="colours",version="2"} 2.0' in text
    assert 'snellen_confidence_images_total{bin="0.99 to 1",model="colours",version="2"} 2.0' in text
