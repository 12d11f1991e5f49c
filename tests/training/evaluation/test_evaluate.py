"""An exported file scores what its network scores, through the pixels of the service."""

from pathlib import Path

import numpy as np
import torch

from models.contract import Precision, read_bundle
from tests.training.conftest import LABELS, Exported, striped
from training.data.labelled_images import LabelledImages, evaluation_pixels
from training.evaluation.energy_score import energy
from training.evaluation.evaluate import evaluate, evaluate_bundle, run_graph
from training.evaluation.metrics import softmax

SHIPPED = Path(__file__).parents[3] / "models" / "fashion-mnist" / "3"


def labelled(count: int) -> LabelledImages:
    images, labels = striped(count, seed=3)
    return LabelledImages(images[..., None], labels.astype(np.int64))


def test_probabilities_and_logits_are_those_of_the_network(exported: Exported) -> None:
    """More images than a batch holds, in their order; the temperature stands between the two."""
    images = labelled(300)
    result = evaluate(exported.path, images, exported.target, exported.preprocessing)
    pixels = evaluation_pixels(images.images, exported.target, exported.preprocessing)
    with torch.inference_mode():
        probabilities, logits, *_ = exported.network(torch.from_numpy(pixels))
    np.testing.assert_allclose(result.probabilities, probabilities.numpy(), atol=1e-4)
    np.testing.assert_allclose(result.logits, logits.numpy(), atol=1e-3)
    np.testing.assert_allclose(softmax(result.logits, 1.5), result.probabilities, atol=1e-5)
    assert (result.labels == images.labels).all()


def test_the_metrics_say_what_they_were_measured_on(exported: Exported) -> None:
    """With both calibration errors, and a confusion matrix of the same images."""
    result = evaluate(exported.path, labelled(80), exported.target, exported.preprocessing)
    metrics = result.metrics("stripes")
    assert (metrics.measured, metrics.source, metrics.images) == (True, "stripes", 80)
    assert metrics.ece is not None
    assert metrics.adaptive_ece is not None
    assert result.confusion().sum() == 80
    assert np.trace(result.confusion()) / 80 == metrics.top1
    assert result.confusion().shape == (len(LABELS), len(LABELS))


def test_a_shipped_bundle_is_evaluated_as_it_is_served() -> None:
    """Black pixels through its own preprocessing and graph, with finite energies."""
    bundle = read_bundle(SHIPPED)
    black = LabelledImages(np.zeros((2, *bundle.manifest.input.shape), np.uint8), np.zeros(2, np.int64))
    result = evaluate_bundle(bundle, black)
    assert result.probabilities.shape == (2, len(bundle.manifest.labels))
    assert np.isfinite(energy(result.logits)).all()
    np.testing.assert_array_equal(result.logits, run_graph(bundle.model_path(Precision.FP32), black.images)[1])
