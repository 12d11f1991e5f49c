"""The manifest of a small bundle of striped images."""

from pathlib import Path
from typing import Any

from models.contract import Calibration, Golden, Input, Manifest, Precision, Preprocessing, Scores, Variant
from tests.training.conftest import LABELS
from training.importing.bundle_writer import MODEL, list_files
from training.importing.provenance import provenance


def stripes_manifest(
    folder: Path, golden: Golden, target: Input, preprocessing: Preprocessing, **others: Any
) -> Manifest:
    """Of `stripes/1` with the files that lie in `folder`; `others` take the place of what is said here."""
    metrics = Scores(measured=True, source="stripes", images=80, top1=0.75)
    facts: dict[str, Any] = {
        "name": "stripes",
        "version": 1,
        "description": "Where the stripe lies.",
        "architecture": "SmallResNet",
        "parameters": 1,
        "labels": LABELS,
        "input": target,
        "preprocessing": preprocessing,
        "files": list_files(folder),
        "variants": (Variant(precision=Precision.FP32, path=MODEL, metrics=metrics),),
        "class_map": True,
        "calibration": Calibration(temperature=1.5, fitted_on=None, note="None was at hand."),
        "golden": golden,
        "provenance": provenance(dataset="stripes", licence="CC0", notes=("Only stripes.",)),
    }
    return Manifest(**(facts | others))
