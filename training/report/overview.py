"""The facts at the top of the report."""

from collections.abc import Iterator
from dataclasses import dataclass

from models.contract import Manifest, Precision, Scores
from training.evaluation.evaluate import TOP5_CLASSES
from training.evaluation.score_text import images_behind, interval, percent
from training.report.inputs import ReportInputs
from training.report.section import Fact


@dataclass(frozen=True)
class Overview:
    """basis: the images that the scores were measured on, or who published the scores."""

    title: str
    about: str
    facts: tuple[Fact, ...]
    basis: str


def overview(inputs: ReportInputs) -> Overview:
    """Return title, description and facts of the bundle."""
    manifest = inputs.manifest
    variant = manifest.variant(Precision.FP32)
    assert variant is not None  # the manifest requires it
    metrics = variant.metrics
    if inputs.labelled is not None:
        metrics = inputs.labelled.evaluation.metrics(inputs.labelled.source)
    size = inputs.bundle.model_path(Precision.FP32).stat().st_size
    return Overview(
        title=f"{manifest.name}, version {manifest.version}",
        about=manifest.description,
        facts=(
            *_scores(metrics, len(manifest.labels)),
            *_shape(manifest),
            Fact("Model file", f"{size / 1e6:.1f} MB", "ONNX, fp32"),
        ),
        basis=f"{manifest.architecture}. Scores {_score_source(inputs, metrics)}: {metrics.source}.",
    )


def _scores(metrics: Scores, classes: int) -> Iterator[Fact]:
    if metrics.top1 is not None:
        notes = [interval(metrics.top1, metrics.images), images_behind(metrics)] if metrics.images else []
        if metrics.top5 is not None and classes >= TOP5_CLASSES:
            notes.append(f"top 5: {percent(metrics.top5, metrics.images)}")
        yield Fact("Accuracy", percent(metrics.top1, metrics.images), "; ".join(notes))
    if metrics.nll is not None:
        yield Fact("Loss", f"{metrics.nll:.4f}", "negative log-likelihood, nats")
    if metrics.ece is not None:
        yield Fact("Calibration error", f"{metrics.ece:.2%}", "expected (ECE)")


def _shape(manifest: Manifest) -> Iterator[Fact]:
    shape, count = manifest.input, manifest.parameters
    yield Fact("Classes", f"{len(manifest.labels):,}")
    yield Fact("Parameters", f"{count / 1e6:.2f} M" if count >= 1e5 else f"{count:,}")
    yield Fact(
        "Input", f"{shape.width}×{shape.height}", "pixels, colour" if shape.colour.channels == 3 else "pixels, grey"
    )


def _score_source(inputs: ReportInputs, metrics: Scores) -> str:
    if inputs.labelled is not None:
        return "measured for this report"
    return "measured when the bundle was made" if metrics.measured else "published, not measured here"
