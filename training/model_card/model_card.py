"""MODEL_CARD.md: the manifest for people. Every number in it comes from the manifest or from the evaluation."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.contract import Manifest, Task, Variant
from training.model_card.calibration_section import calibration_section
from training.model_card.markdown import bullets, number, table
from training.model_card.variants_section import variants_section

Confusion = NDArray[np.int64]
"""Counts [K, K]: rows are the true classes, columns the predicted ones."""
_MEASURES = ("top1", "top5", "nll", "ece", "adaptive_ece")


def model_card(manifest: Manifest, confusion: Confusion | None = None) -> str:
    """Return the card as Markdown."""
    sections = [
        f"# {manifest.name} {manifest.version}\n\n{manifest.description}",
        _facts(manifest),
        "## Metrics\n\n" + "\n\n".join(_metrics(variant) for variant in manifest.variants),
        *([variants] if (variants := variants_section(manifest)) is not None else []),
        *([_confusion(manifest.labels, confusion)] if confusion is not None else []),
        calibration_section(manifest.calibration, manifest.task),
        "## Limits and notes\n\n" + bullets(manifest.provenance.notes),
        _making(manifest),
    ]
    return "\n\n".join(sections) + "\n"


def _facts(manifest: Manifest) -> str:
    shape, preprocessing = manifest.input, manifest.preprocessing
    return "## Model\n\n" + bullets(
        (
            f"Architecture: {manifest.architecture}, {manifest.parameters:,} parameters",
            f"Input: {shape.width}x{shape.height} pixels, {shape.colour.value}, 8 bits a channel",
            f"From any picture: {preprocessing.resize}, keeping {preprocessing.crop_fraction:.3g} of each side, "
            f"{preprocessing.interpolation}",
            *_task(manifest),
            f"Classes: {len(manifest.labels)}, such as {', '.join(manifest.labels[:10])}",
        )
    )


def _task(manifest: Manifest) -> tuple[str, ...]:
    several = manifest.task is Task.MULTILABEL
    return ("Task: multilabel, any number of classes may be true of an image",) if several else ()


def _metrics(variant: Variant) -> str:
    metrics = variant.metrics
    origin = "Measured" if metrics.measured else "Published, not measured by this project"
    rows = [] if metrics.images is None else [("images", f"{metrics.images:,}")]
    values = {name: getattr(metrics, name) for name in _MEASURES}
    rows += [(name, number(value)) for name, value in values.items() if value is not None]
    source = f"{origin}, {variant.precision}: {metrics.source}"
    return f"{source}\n\n{table(('measure', 'value'), rows)}" if rows else source


def _confusion(labels: Sequence[str], confusion: Confusion) -> str:
    """Return the section on confusion: rows are the true classes, columns the predicted ones."""
    rows = (
        (f"{index} {label}", *(str(count) for count in row), f"{row[index] / max(int(row.sum()), 1):.3f}")
        for index, (label, row) in enumerate(zip(labels, confusion, strict=True))
    )
    return "\n\n".join(
        (
            "## Confusion",
            "Rows are the true classes, columns the predicted ones, in the same order.",
            table(("true class", *(str(index) for index in range(len(labels))), "recall"), rows),
        )
    )


def read_confusion(card: str, classes: int) -> Confusion | None:
    """Return counts [K, K] of the card's section on confusion, or None without one."""
    section = card.partition("\n## Confusion\n")[2].partition("\n## ")[0]
    cells = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    counts = [[int(cell) for cell in row[1:-1]] for row in cells[2:]]
    return np.array(counts, np.int64) if len(counts) == classes else None


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
    return "## How it was made\n\n" + bullets(facts)
