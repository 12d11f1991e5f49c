"""A bundle and held-out images -> a new version of the bundle, calibrated on them. The old one is not changed."""

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from models.contract import (
    INPUT,
    LOGITS,
    PROBABILITIES,
    Bundle,
    Calibration,
    Manifest,
    Precision,
    Provenance,
    Scores,
    Task,
    Variant,
)
from training.data.held_out_images import HeldOutImages
from training.data.warnings_list import SkippedFile
from training.errors import BundleExistsError, ParityError
from training.evaluation.calibrate import calibrate, calibrate_labels, measure
from training.evaluation.evaluate import Evaluation
from training.evaluation.graph_runs import Advance, ImageRuns, run_on_images
from training.evaluation.metrics import softmax
from training.evaluation.onnx_session import open_session
from training.importing import bundle_writer
from training.importing.bundle_writer import CARD, MODEL, list_files, new_bundle, write_manifest
from training.importing.golden_images import GoldenImage
from training.importing.graph_file import save_graph
from training.importing.provenance import provenance
from training.importing.temperature_graph import set_temperature
from training.model_card.confusion_section import Confusion, read_section
from training.model_card.model_card import model_card

Rows = NDArray[np.float32]
_TOLERANCE = 1e-4
"""Largest difference of any probability from the old graph's logits, divided by the temperature, after a softmax."""


@dataclass(frozen=True)
class CalibratedBundle:
    """The new version. skipped: files that could not be read. left_out: variants of the old version beside fp32."""

    folder: Path
    manifest: Manifest
    skipped: tuple[SkippedFile, ...]
    left_out: tuple[Precision, ...]


def next_version(bundle: Bundle) -> int:
    """Return the number after the largest version of the model."""
    return bundle_writer.next_version(_model_folder(bundle))


def refuse_version(bundle: Bundle, version: int) -> None:
    """Raise BundleExistsError where the version is there already."""
    folder = _model_folder(bundle) / str(version)
    if folder.exists():
        raise BundleExistsError(
            f"{folder} exists, and calibrating changes no version: choose another --version, such as "
            f"{next_version(bundle)}"
        )


def calibrate_bundle(
    bundle: Bundle, version: int, images: HeldOutImages, test: HeldOutImages | None, advance: Advance
) -> CalibratedBundle:
    """Fit temperature, prediction sets and energy threshold, or thresholds of classes in the task multilabel.

    images: fitted on. test: other images, to measure on what was fitted; None without any. advance: called with the
    number of further images that were read.
    Writes the bundle `version` beside the old one, with the fp32 variant, whole or not at all.
    Raises BundleExistsError, DatasetError where no image can be read, ParityError and BundleError.
    """
    refuse_version(bundle, version)
    old = bundle.manifest
    model = bundle.model_path(Precision.FP32)
    several = old.task is Task.MULTILABEL
    found = run_on_images([(model, Precision.FP32)], images, old, (PROBABILITIES if several else LOGITS,), advance)
    calibration = _fit(found, images, old)
    with new_bundle(_model_folder(bundle).parent, old.name, version) as folder:
        graph = onnx.load(model)
        if not several:
            set_temperature(graph, calibration.temperature)
        save_graph(graph, folder)
        _write_golden(bundle, folder, calibration.temperature)
        tested = (
            None
            if test is None
            else run_on_images([(folder / MODEL, Precision.FP32)], test, old, (PROBABILITIES, LOGITS), advance)
        )
        confusion: Confusion | str | None = _confusion(bundle)
        metrics = _metrics(old)
        if test is not None and tested is not None and not several:
            source = f"{test.kept_title}; ONNX Runtime on the CPU"
            evaluation = _evaluation(tested)
            calibration, metrics = measure(calibration, evaluation, source), evaluation.metrics(source)
            confusion = None if confusion is None else evaluation.confusion()
        manifest = Manifest.model_validate(
            dict(old)
            | {
                "schema_version": 2,
                "version": version,
                "files": list_files(folder),
                "variants": (Variant(precision=Precision.FP32, path=MODEL, metrics=metrics),),
                "calibration": calibration,
                "provenance": _provenance(old, calibration),
            }
        )
        write_manifest(folder, manifest, model_card(manifest, confusion))
    skipped = (*found.skipped, *(tested.skipped if tested else ()))
    left_out = tuple(each.precision for each in old.variants if each.precision is not Precision.FP32)
    made = Path(os.path.normpath(bundle.path / os.pardir / str(version)))
    return CalibratedBundle(made, manifest, skipped, left_out)


def _model_folder(bundle: Bundle) -> Path:
    """Return the folder of all versions; a link counts by its own name, as for `read_bundle`."""
    return Path(os.path.abspath(bundle.path)).parent


def _fit(found: ImageRuns, images: HeldOutImages, old: Manifest) -> Calibration:
    (run,) = found.runs
    if old.task is Task.MULTILABEL:
        return calibrate_labels(run.outputs[PROBABILITIES], found.truth.astype(np.bool_), images.kept_title, old.labels)
    return calibrate(run.outputs[LOGITS], found.truth.astype(np.int64), images.kept_title, old.labels)


def _evaluation(tested: ImageRuns) -> Evaluation:
    outputs = tested.runs[0].outputs
    return Evaluation(outputs[PROBABILITIES], outputs[LOGITS], tested.truth.astype(np.int64))


def _write_golden(bundle: Bundle, folder: Path, temperature: float) -> None:
    """Write the golden images of the old version, with the probabilities that its logits have at the temperature.

    Raises ParityError where the new graph computes others: they do not come from it.
    """
    manifest = bundle.manifest
    before, after = open_session(bundle.model_path(Precision.FP32)), open_session(folder / MODEL)
    rows: dict[str, list[float]] = {}
    for path, body, _ in bundle.golden():
        pixels = GoldenImage(path, body).pixels(manifest.input, manifest.preprocessing)[None]
        logits, probabilities = (np.asarray(each) for each in before.run([LOGITS, PROBABILITIES], {INPUT: pixels}))
        expected = softmax(logits, temperature) if manifest.task is Task.SINGLE else probabilities
        (made,) = after.run([PROBABILITIES], {INPUT: pixels})
        difference = float(np.abs(np.asarray(made) - expected).max())
        if not difference <= _TOLERANCE:  # also true for NaN
            raise ParityError(
                f"the graph with the temperature {temperature:.4f} differs by {difference:.2g} in a probability of "
                f"{path} from the old logits: the graph of {manifest.name} cannot be calibrated"
            )
        rows[path] = [round(float(value), 8) for value in expected[0]]
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(body)
    (folder / manifest.golden.probabilities).write_text(json.dumps(rows) + "\n", encoding="utf-8")


def _metrics(old: Manifest) -> Scores:
    """Return the old scores without those that the temperature changes; it changes no ranking."""
    variant = old.variant(Precision.FP32)
    assert variant is not None  # every bundle has it
    metrics = variant.metrics
    if metrics.top1 is None and metrics.nll is None:
        return metrics
    kept = metrics.model_copy(update={"nll": None, "ece": None, "adaptive_ece": None})
    return kept.model_copy(update={"source": f"{metrics.source}; by version {old.version}, which ranks the same"})


def _confusion(bundle: Bundle) -> str | None:
    """Return the confusion in the card of the old version, which a temperature does not change; None without one."""
    with suppress(OSError, ValueError):  # a card has no hash: it may be missing, or changed by hand
        return read_section(bundle.file(CARD).read_text(encoding="utf-8"))
    return None


def _provenance(old: Manifest, calibration: Calibration) -> Provenance:
    made = old.provenance
    seed = "" if made.seed is None else f", seed {made.seed}"
    return provenance(
        dataset=made.dataset,
        licence=made.licence,
        notes=(
            *made.notes,
            f"Calibrated on {calibration.images:,} {calibration.fitted_on}, from version {old.version}, which was made "
            f"on {made.created:%Y-%m-%d} by `{made.command}`, commit {made.commit}{seed}.",
        ),
    )
