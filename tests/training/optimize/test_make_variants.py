"""One function for each kind of variant."""

from dataclasses import replace
from pathlib import Path

import pytest

from models.contract import Precision, read_bundle
from training.errors import SkippedVariant
from training.optimize.evaluation_images import find_evaluation_images
from training.optimize.make_variants import MAKERS, VariantOptions, make_variant


def test_every_precision_but_fp32_has_a_maker() -> None:
    """The table is complete."""
    assert set(MAKERS) == set(Precision) - {Precision.FP32}


def test_a_candidate_says_how_it_was_made(original: Path, source: Path, tmp_path: Path) -> None:
    """fp16: in words, with its file in the workspace."""
    said: list[str] = []
    bundle = read_bundle(original)
    images = find_evaluation_images(bundle.manifest, str(source), tmp_path)
    candidate = make_variant(Precision.FP16, bundle, images, VariantOptions(), tmp_path, said.append)
    assert candidate.path.parent == tmp_path
    assert candidate.path.stat().st_size < bundle.model_path(Precision.FP32).stat().st_size
    assert "softmax in float32" in candidate.made
    assert said == ["converted to float16"]


def test_pruning_without_training_images_is_skipped_with_the_reason(
    original: Path, source: Path, tmp_path: Path
) -> None:
    """The message says what to name."""
    bundle = read_bundle(original)
    images = find_evaluation_images(bundle.manifest, str(source), tmp_path)
    without = replace(images, training_images=None)
    with pytest.raises(SkippedVariant, match="name them with --data"):
        make_variant(Precision.PRUNED, bundle, without, VariantOptions(), tmp_path, print)
