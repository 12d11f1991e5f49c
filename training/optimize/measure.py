"""fp32 and its variants, all on the same proof, golden images and clock."""

import gzip
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from models.contract import Bundle, Metrics, Pixels, Precision, Row
from training.evaluation.evaluate import Evaluation, run_graph
from training.export.onnx_export import open_session, predict
from training.optimize.agreement import Rows, compare
from training.optimize.evaluation_images import Evidence
from training.optimize.result import Candidate, Measured
from training.optimize.speed import measure_speeds


def measure(bundle: Bundle, candidates: Sequence[Candidate], evidence: Evidence) -> list[Measured]:
    """fp32 first, then the candidates in their order."""
    models = {Precision.FP32: bundle.model_path(Precision.FP32)} | {each.precision: each.path for each in candidates}
    speeds = measure_speeds(models, evidence.proof)
    outputs = {precision: run_graph(path, evidence.proof) for precision, path in models.items()}
    reference = outputs[Precision.FP32][0]
    return [
        Measured(
            precision=precision,
            metrics=_metrics(*outputs[precision], evidence),
            agreement=None
            if precision is Precision.FP32
            else compare(reference, outputs[precision][0], evidence.source),
            speed=speeds[precision],
            size_bytes=path.stat().st_size,
            gzip_bytes=len(gzip.compress(path.read_bytes(), compresslevel=6)),
            golden_difference=_golden_difference(bundle, path),
        )
        for precision, path in models.items()
    ]


def _metrics(probabilities: Rows, logits: Rows, evidence: Evidence) -> Metrics:
    if evidence.labels is None:
        return Metrics(measured=True, source=evidence.source, images=len(evidence.proof))
    return Evaluation(probabilities, logits, evidence.labels).metrics(evidence.source)


def _golden_difference(bundle: Bundle, path: Path) -> float:
    """Largest absolute difference of any probability of any golden image."""
    session = open_session(path)

    def row(pixels: Pixels) -> Row:
        return np.asarray(predict(session, pixels[None])[0], np.float32)

    return bundle.golden_difference(row)
