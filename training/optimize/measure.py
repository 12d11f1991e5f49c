"""Measurements of fp32 and its variants, all on the same test images, golden images and machine."""

import gzip
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from models.contract import Agreement, Bundle, Precision, Scores
from training.evaluation.agreement import Rows, compare
from training.evaluation.evaluate import Evaluation, run_graph
from training.evaluation.graph import classify_one, library_of, open_graph
from training.optimize.evaluation_images import EvaluationImages
from training.optimize.photo_folder import interval_of_share
from training.optimize.result import Candidate, MeasuredVariant
from training.optimize.speed import measure_speeds


def measure(bundle: Bundle, candidates: Sequence[Candidate], images: EvaluationImages) -> list[MeasuredVariant]:
    """Return fp32 first, then the candidates in their order."""
    models = {Precision.FP32: bundle.model_path(Precision.FP32)} | {each.precision: each.path for each in candidates}
    speeds = measure_speeds(models, images.test_images)
    outputs = {precision: run_graph(path, images.test_images, precision) for precision, path in models.items()}
    reference = outputs[Precision.FP32][0]
    return [
        MeasuredVariant(
            precision=precision,
            metrics=_metrics(precision, *outputs[precision], images),
            agreement=None
            if precision is Precision.FP32
            else _agreement(precision, reference, outputs[precision][0], images),
            speed=speeds[precision],
            size_bytes=path.stat().st_size,
            gzip_bytes=len(gzip.compress(path.read_bytes(), compresslevel=6)),
            golden_difference=_golden_difference(bundle, precision, path),
        )
        for precision, path in models.items()
    ]


def _metrics(precision: Precision, probabilities: Rows, logits: Rows, images: EvaluationImages) -> Scores:
    source = _source(images, precision)
    if images.labels is None:
        return Scores(measured=True, source=source, images=len(images.test_images))
    return Evaluation(probabilities, logits, images.labels).metrics(source)


def _agreement(precision: Precision, reference: Rows, variant: Rows, images: EvaluationImages) -> Agreement:
    found = compare(reference, variant, _source(images, precision))
    if images.groups is None:
        return found
    same = reference.argmax(axis=1) == variant.argmax(axis=1)
    return found.model_copy(update={"interval": interval_of_share(same, images.groups)})


def _source(images: EvaluationImages, precision: Precision) -> str:
    """Return the images in words, and the library that ran this variant on them."""
    return f"{images.source}; {library_of(precision)}"


def _golden_difference(bundle: Bundle, precision: Precision, path: Path) -> float:
    """Return the largest absolute difference of any probability of any golden image."""
    return bundle.golden_difference(partial(classify_one, open_graph(path, precision)))
