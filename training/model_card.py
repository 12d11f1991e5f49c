"""MODEL_CARD.md: the manifest retold for people. Every number in it comes from the manifest or from the evaluation."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.contract import Calibration, Manifest, PredictionSets, Variant

Confusion = NDArray[np.int64]
"""[K, K]: rows are the true classes, columns the predicted ones."""
_MEASURES = ("top1", "top5", "nll", "ece")


def model_card(manifest: Manifest, confusion: Confusion | None = None) -> str:
    """The card as Markdown."""
    sections = [
        f"# {manifest.name} {manifest.version}\n\n{manifest.description}",
        _facts(manifest),
        "## Metrics\n\n" + "\n\n".join(_metrics(variant) for variant in manifest.variants),
        *([_confusion(manifest.labels, confusion)] if confusion is not None else []),
        _calibration(manifest.calibration),
        "## Limits and notes\n\n" + _bullets(manifest.provenance.notes),
        _making(manifest),
    ]
    return "\n\n".join(sections) + "\n"


def _facts(manifest: Manifest) -> str:
    shape, how = manifest.input, manifest.preprocessing
    return "## Model\n\n" + _bullets(
        (
            f"Architecture: {manifest.architecture}, {manifest.parameters:,} parameters",
            f"Input: {shape.width}x{shape.height} pixels, {shape.colour.value}, 8 bits a channel",
            f"From any picture: {how.resize}, keeping {how.crop_fraction:.3g} of each side, {how.interpolation}",
            f"Classes: {len(manifest.labels)}, such as {', '.join(manifest.labels[:10])}",
        )
    )


def _metrics(variant: Variant) -> str:
    metrics = variant.metrics
    how = "Measured" if metrics.measured else "Published, not measured by this project"
    lines = [f"{how}, {variant.precision}: {metrics.source}", "", *_row(("measure", "value")), *_row(("---", "---:"))]
    if metrics.images is not None:
        lines += _row(("images", f"{metrics.images:,}"))
    values = {name: getattr(metrics, name) for name in _MEASURES}
    lines += [line for name, value in values.items() if value is not None for line in _row((name, f"{value:.4f}"))]
    return "\n".join(lines)


def _confusion(labels: Sequence[str], confusion: Confusion) -> str:
    """Rows: true class, columns: predicted class."""
    lines = ["## Confusion", "", "Rows are the true classes, columns the predicted ones, in the same order.", ""]
    lines += _row(("true class", *(str(index) for index in range(len(labels))), "recall"))
    lines += _row(("---", *("---:" for _ in labels), "---:"))
    for index, (label, row) in enumerate(zip(labels, confusion, strict=True)):
        recall = row[index] / max(int(row.sum()), 1)
        lines += _row((f"{index} {label}", *(str(count) for count in row), f"{recall:.3f}"))
    return "\n".join(lines)


def _calibration(calibration: Calibration) -> str:
    lines = ["## Calibration", "", calibration.note, "", f"Softmax temperature: {calibration.temperature:.4f}."]
    if calibration.fitted_on is not None:
        lines += ["", f"Fitted on {calibration.fitted_on}, {calibration.images or 0:,} images:", ""]
        lines += [*_row(("", "before", "after")), *_row(("---", "---:", "---:"))]
        lines += _row(("NLL", _number(calibration.nll_before), _number(calibration.nll_after)))
        lines += _row(("ECE", _number(calibration.ece_before), _number(calibration.ece_after)))
    if calibration.prediction_sets is not None:
        lines += ["", _sets(calibration.prediction_sets)]
    return "\n".join(lines)


def _sets(sets: PredictionSets) -> str:
    lines = [f"Prediction sets, thresholds from {sets.fitted_on} ({sets.images:,} images), then measured:", ""]
    lines += [*_row(("coverage wanted", "threshold", "coverage measured", "mean classes"))]
    lines += _row(("---:", "---:", "---:", "---:"))
    for coverage, threshold in sets.thresholds.items():
        measured, size = sets.measured_coverage.get(coverage), sets.mean_size.get(coverage)
        lines += _row((coverage, f"{threshold:.6f}", _number(measured), _number(size)))
    return "\n".join(lines)


def _making(manifest: Manifest) -> str:
    made = manifest.provenance
    facts = [
        f"Data: {made.dataset}",
        f"Licence: {made.licence}",
        f"Command: `{made.command}`",
        f"Commit: {made.commit}",
        f"Date: {made.created:%Y-%m-%d %H:%M} UTC",
        "Libraries: " + ", ".join(f"{name} {version}" for name, version in made.libraries.items()),
    ]
    facts += [f"Seed: {made.seed}"] if made.seed is not None else []
    facts += [f"Duration: {made.duration_s / 60:.1f} min"] if made.duration_s is not None else []
    return "## How it was made\n\n" + _bullets(facts)


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _row(cells: Sequence[str]) -> list[str]:
    return ["| " + " | ".join(cells) + " |"]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
