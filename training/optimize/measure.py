"""Measurements of fp32 and its variants, all on the same test images, golden images and machine."""

import gzip
from collections.abc import Sequence
from pathlib import Path

from models.contract import Bundle, Precision, Scores
from training.evaluation.agreement import Rows, compare
from training.evaluation.evaluate import Evaluation, run_graph
from training.evaluation.onnx_session import open_session, single_predictor
from training.optimize.evaluation_images import EvaluationImages
from training.optimize.result import Candidate, MeasuredVariant
from training.optimize.speed import measure_speeds


def measure(bundle: Bundle, candidates: Sequence[Candidate], images: EvaluationImages) -> list[MeasuredVariant]:
    """Return fp32 first, then the candidates in their order."""
    models = {Precision.FP32: bundle.model_path(Precision.FP32)} | {each.precision: each.path for each in candidates}
    speeds = measure_speeds(models, images.test_images)
    outputs = {precision: run_graph(path, images.test_images) for precision, path in models.items()}
    reference = outputs[Precision.FP32][0]
    return [
        MeasuredVariant(
            precision=precision,
            metrics=_metrics(*outputs[precision], images),
            agreement=None if precision is Precision.FP32 else compare(reference, outputs[precision][0], images.source),
            speed=speeds[precision],
            size_bytes=path.stat().st_size,
            gzip_bytes=len(gzip.compress(path.read_bytes(), compresslevel=6)),
            golden_difference=_golden_difference(bundle, path),
        )
        for precision, path in models.items()
    ]


def _metrics(probabilities: Rows, logits: Rows, images: EvaluationImages) -> Scores:
    if images.labels is None:
        return Scores(measured=True, source=images.source, images=len(images.test_images))
    return Evaluation(probabilities, logits, images.labels).metrics(images.source)


def _golden_difference(bundle: Bundle, path: Path) -> float:
    """Return the largest absolute difference of any probability of any golden image."""
    return bundle.golden_difference(single_predictor(open_session(path)))
