"""Evaluation of an exported model, with the pixels and the graph of the service."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.contract import LOGITS, PROBABILITIES, Bundle, Input, Pixels, Precision, Preprocessing, Scores
from training.data.labelled_images import LabelledImages, evaluation_batch, evaluation_pixels
from training.evaluation.graph import open_graph
from training.evaluation.metrics import (
    accuracy,
    adaptive_calibration_error,
    confusion_matrix,
    expected_calibration_error,
    negative_log_likelihood,
)

Outputs = NDArray[np.float32]
TOP5_CLASSES = 6
"""Fewest classes for which it says something that the true class is among five."""


@dataclass(frozen=True)
class Evaluation:
    """Outputs of the graph for labelled images: probabilities and logits float32 [N, K], labels int64 [N]."""

    probabilities: Outputs
    logits: Outputs
    labels: NDArray[np.int64]

    def metrics(self, source: str) -> Scores:
        """Return the metrics. source: the images, in words."""
        return scores_of(self.probabilities, self.labels, source)

    def confusion(self) -> NDArray[np.int64]:
        """Return counts [K, K]: the row is the true class, the column the predicted one."""
        return confusion_matrix(self.probabilities, self.labels)


def scores_of(probabilities: Outputs, labels: NDArray[np.int64], source: str) -> Scores:
    """Return the metrics of probabilities [N, K] for labels int64 [N]. source: the images, in words."""
    return Scores(
        measured=True,
        source=source,
        images=len(labels),
        top1=accuracy(probabilities, labels),
        top5=accuracy(probabilities, labels, k=5) if probabilities.shape[1] >= TOP5_CLASSES else None,
        nll=negative_log_likelihood(probabilities, labels),
        ece=expected_calibration_error(probabilities, labels),
        adaptive_ece=adaptive_calibration_error(probabilities, labels),
    )


def evaluate(
    model: Path,
    images: LabelledImages,
    target: Input,
    preprocessing: Preprocessing,
    precision: Precision = Precision.FP32,
) -> Evaluation:
    """Run the ONNX file of a variant on labelled images on the CPU."""
    probabilities, logits = run_graph(model, evaluation_pixels(images.images, target, preprocessing), precision)
    return Evaluation(probabilities, logits, images.labels)


def evaluate_bundle(bundle: Bundle, images: LabelledImages, precision: Precision = Precision.FP32) -> Evaluation:
    """Run one precision of a bundle on labelled images on the CPU."""
    manifest = bundle.manifest
    return evaluate(bundle.model_path(precision), images, manifest.input, manifest.preprocessing, precision)


def run_graph(model: Path, pixels: Pixels, precision: Precision = Precision.FP32) -> tuple[Outputs, Outputs]:
    """Return probabilities and logits, both float32 [N, K], of uint8 [N, H, W, C] of the graph's size; N is at least
    1. precision: that of the variant, which decides on the library.
    """
    graph = open_graph(model, precision)
    size = graph.batch or evaluation_batch(pixels)
    starts = range(0, len(pixels), size)
    batches = [graph.run([PROBABILITIES, LOGITS], pixels[start : start + size]) for start in starts]
    probabilities, logits = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    return probabilities, logits
