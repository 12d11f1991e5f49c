"""Measurements of fp32 and its variants."""

from dataclasses import replace
from pathlib import Path

import pytest

from models.contract import Bundle, Precision, read_bundle
from training.optimize.evaluation_images import EvaluationImages, find_evaluation_images
from training.optimize.measure import measure
from training.optimize.result import Candidate


@pytest.fixture(scope="module")
def bundle(original: Path) -> Bundle:
    return read_bundle(original)


@pytest.fixture(scope="module")
def images(bundle: Bundle, source: Path) -> EvaluationImages:
    return find_evaluation_images(bundle.manifest, str(source), source, budget=5)


def test_a_copy_of_fp32_agrees_with_it_in_everything(bundle: Bundle, images: EvaluationImages) -> None:
    """fp32 is first and has no agreement with itself; sizes are those of the files."""
    path = bundle.model_path(Precision.FP32)
    reference, copy = measure(bundle, [Candidate(Precision.FP16, path, "a copy")], images)
    assert (reference.precision, reference.agreement) == (Precision.FP32, None)
    assert copy.agreement is not None
    assert (copy.agreement.top1, copy.agreement.max_distance, copy.agreement.images) == (1.0, 0.0, 80)
    assert (copy.size_bytes, copy.metrics) == (path.stat().st_size, reference.metrics)
    assert copy.gzip_bytes < copy.size_bytes
    assert copy.golden_difference < 1e-4


def test_without_labels_there_is_no_accuracy(bundle: Bundle, images: EvaluationImages) -> None:
    """The number of images is known all the same."""
    (reference,) = measure(bundle, [], replace(images, labels=None))
    assert (reference.metrics.top1, reference.metrics.images) == (None, 80)
