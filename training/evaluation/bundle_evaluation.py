"""What `snellen evaluate` measures: the variants of a bundle on labelled images, as a whole and class by class."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.contract import PROBABILITIES, Bundle, Precision, Task
from training.data.held_out_images import HeldOutImages, Truth
from training.data.warnings_list import SkippedFile
from training.evaluation.agreement import compare
from training.evaluation.evaluate import scores_of
from training.evaluation.graph_runs import Advance, ImageRuns, run_on_images
from training.evaluation.label_metrics import label_scores
from training.evaluation.machine import machine
from training.evaluation.metrics import accuracy_interval
from training.evaluation.weak_calibration import IMAGES

Probabilities = NDArray[np.float32]


@dataclass(frozen=True)
class VariantResult:
    """One variant on the images. scores and agreement with fp32: by name; agreement is empty for fp32 itself."""

    precision: Precision
    scores: dict[str, float]
    agreement: dict[str, float]
    images_per_s: float


@dataclass(frozen=True)
class ClassResult:
    """One class by fp32. scores: by name, None where the images do not define one."""

    class_id: int
    label: str
    images: int
    scores: dict[str, float | None]


@dataclass(frozen=True)
class Confusion:
    """How many images of the class `true` fp32 took for the class `predicted`; both are class_ids."""

    true: int
    predicted: int
    images: int


@dataclass(frozen=True)
class BundleEvaluation:
    """All figures. source: the images in words; images: number of those that could be read.

    classes: worst first, those without images last. confusions: the cells of the confusion matrix that are not 0, most
    images first; none in the task multilabel.
    """

    bundle: str
    task: Task
    source: str
    images: int
    skipped: tuple[SkippedFile, ...]
    variants: tuple[VariantResult, ...]
    classes: tuple[ClassResult, ...]
    confusions: tuple[Confusion, ...]
    machine: str
    threads: int
    batch_size: int
    hint: str | None


def evaluate_on(
    bundle: Bundle, images: HeldOutImages, precisions: Sequence[Precision], advance: Advance
) -> BundleEvaluation:
    """Measure variants of a bundle on labelled images; fp32 is always one of them, and the first.

    advance: called with the number of further images that were read. Raises DatasetError where no image can be read,
    and BundleError for a variant that is missing or cannot be run.
    """
    manifest = bundle.manifest
    chosen = tuple(dict.fromkeys((Precision.FP32, *precisions)))
    models = [(bundle.model_path(precision), precision) for precision in chosen]
    found = run_on_images(models, images, manifest, (PROBABILITIES,), advance)
    rows = [run.outputs[PROBABILITIES] for run in found.runs]
    several = manifest.task is Task.MULTILABEL
    thresholds = np.array(manifest.thresholds)
    variants = tuple(
        VariantResult(
            precision,
            _label_scores(probabilities, found.truth, thresholds) if several else _scores(probabilities, found.truth),
            {} if precision is Precision.FP32 else _agreement(rows[0], probabilities, thresholds, several=several),
            round(len(found.truth) / run.seconds, 1),
        )
        for precision, probabilities, run in zip(chosen, rows, found.runs, strict=True)
    )
    per_class = _label_classes if several else _classes
    return BundleEvaluation(
        bundle=f"{manifest.name}/{manifest.version}",
        task=manifest.task,
        source=images.title,
        images=len(found.truth),
        skipped=found.skipped,
        variants=variants,
        classes=_sorted(per_class(rows[0], found.truth, manifest.labels, thresholds)),
        confusions=() if several else _confusions(rows[0], found.truth),
        machine=machine(),
        threads=found.threads,
        batch_size=found.batch_size,
        hint=_hint(found, variants[0].scores.get("top1")),
    )


def _scores(probabilities: Probabilities, truth: Truth) -> dict[str, float]:
    scores = scores_of(probabilities, truth.astype(np.int64), "").model_dump()
    names = ("top1", "top5", "nll", "ece", "adaptive_ece")
    return {name: scores[name] for name in names if scores[name] is not None}


def _label_scores(probabilities: Probabilities, truth: Truth, thresholds: NDArray[np.float64]) -> dict[str, float]:
    """Return means over the classes that have a positive image, and F1 over all decisions."""
    flags = truth.astype(np.bool_)
    found, called = label_scores(probabilities, flags, thresholds), probabilities >= thresholds
    decisions = int(called.sum() + flags.sum())
    return {
        "mean_average_precision": float(np.nanmean(found.average_precision)) if flags.any() else 0.0,
        "macro_f1": float(np.nanmean(found.f1)) if flags.any() else 0.0,
        "micro_f1": 2 * int((called & flags).sum()) / decisions if decisions else 1.0,
        "exact_match": float((called == flags).all(axis=1).mean()),
    }


def _agreement(
    reference: Probabilities, variant: Probabilities, thresholds: NDArray[np.float64], *, several: bool
) -> dict[str, float]:
    if several:
        distance = np.abs(reference - variant)
        same = (reference >= thresholds) == (variant >= thresholds)
        return {
            "same": float(same.mean()),
            "mean_distance": float(distance.mean()),
            "max_distance": float(distance.max()),
        }
    found = compare(reference, variant, "")
    return {"same": found.top1, "mean_distance": found.mean_distance, "max_distance": found.max_distance}


def _classes(
    probabilities: Probabilities, truth: Truth, labels: Sequence[str], _: NDArray[np.float64]
) -> list[ClassResult]:
    predicted = probabilities.argmax(axis=1)
    count = len(labels)
    images = np.bincount(truth, minlength=count)
    called = np.bincount(predicted, minlength=count)
    hits = np.bincount(truth[predicted == truth], minlength=count)
    return [
        ClassResult(
            place,
            label,
            int(images[place]),
            {"recall": _share(hits[place], images[place]), "precision": _share(hits[place], called[place])},
        )
        for place, label in enumerate(labels)
    ]


def _label_classes(
    probabilities: Probabilities, truth: Truth, labels: Sequence[str], thresholds: NDArray[np.float64]
) -> list[ClassResult]:
    found = label_scores(probabilities, truth.astype(np.bool_), thresholds)
    columns = {"f1": found.f1, "recall": found.recall, "precision": found.precision}
    columns |= {"average_precision": found.average_precision, "threshold": thresholds}
    return [
        ClassResult(
            place,
            label,
            int(truth[:, place].sum()),
            {name: None if np.isnan(values[place]) else float(values[place]) for name, values in columns.items()},
        )
        for place, label in enumerate(labels)
    ]


def _share(part: np.integer, whole: np.integer) -> float | None:
    return float(part / whole) if whole else None


def _sorted(classes: Sequence[ClassResult]) -> tuple[ClassResult, ...]:
    """Return the classes by their first score, the smallest first; those without images last."""

    def rank(each: ClassResult) -> tuple[bool, float, int]:
        score = next(iter(each.scores.values()))
        return each.images == 0, score or 0.0, each.class_id

    return tuple(sorted(classes, key=rank))


def _confusions(probabilities: Probabilities, truth: Truth) -> tuple[Confusion, ...]:
    """Return the cells of the confusion matrix that are not 0; whole, it has K^2 of them."""
    classes = probabilities.shape[1]
    cells, counts = np.unique(truth * classes + probabilities.argmax(axis=1), return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return tuple(
        Confusion(int(cell // classes), int(cell % classes), int(count))
        for cell, count in zip(cells[order], counts[order], strict=True)
    )


def _hint(found: ImageRuns, top1: float | None) -> str | None:
    """Return a sentence on how little few images say, or None for many."""
    images = len(found.truth)
    if images >= IMAGES:
        return None
    said = f"{images:,} {'image says' if images == 1 else 'images say'} little"
    if top1 is None:
        return f"{said}: measure on at least {IMAGES}"
    low, high = accuracy_interval(top1, images)
    return f"{said}: the accuracy lies between {low:.0%} and {high:.0%} (95 % interval); measure on at least {IMAGES}"
