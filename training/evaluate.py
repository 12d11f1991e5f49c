"""What an exported model scores, through the same pixels and the same graph as in service."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.contract import Bundle, Input, Metrics, Precision, Preprocessing
from training.data import LabelledImages, evaluation_pixels
from training.export import open_session, predict
from training.metrics import (
    accuracy,
    confusion_matrix,
    expected_calibration_error,
    negative_log_likelihood,
)

_BATCH = 256


@dataclass(frozen=True)
class Evaluation:
    """probabilities: float32 [N, K]; labels: int64 [N]."""

    probabilities: NDArray[np.float32]
    labels: NDArray[np.int64]

    def metrics(self, source: str) -> Metrics:
        return Metrics(
            measured=True,
            source=source,
            images=len(self.labels),
            top1=accuracy(self.probabilities, self.labels),
            top5=accuracy(self.probabilities, self.labels, k=5),
            nll=negative_log_likelihood(self.probabilities, self.labels),
            ece=expected_calibration_error(self.probabilities, self.labels),
        )

    def confusion(self) -> NDArray[np.int64]:
        return confusion_matrix(self.probabilities, self.labels)


def evaluate(model: Path, images: LabelledImages, target: Input, how: Preprocessing) -> Evaluation:
    """Run an ONNX file over labelled images on the CPU."""
    session = open_session(model)
    pixels = evaluation_pixels(images.images, target, how)
    rows = [predict(session, pixels[start : start + _BATCH]) for start in range(0, len(pixels), _BATCH)]
    return Evaluation(np.concatenate(rows), images.labels)


def evaluate_bundle(bundle: Bundle, images: LabelledImages, precision: Precision = Precision.FP32) -> Evaluation:
    """The same for one precision of a bundle."""
    manifest = bundle.manifest
    return evaluate(bundle.model_path(precision), images, manifest.input, manifest.preprocessing)
