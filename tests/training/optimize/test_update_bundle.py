"""Adding of variants to an existing bundle."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from models.contract import Bundle, Precision, Scores, Variant, read_bundle
from tests.training.conftest import LABELS
from training.importing.golden_images import check_golden
from training.model_card.confusion_section import confusion_section, read_section
from training.optimize.result import OptimizeResult
from training.optimize.update_bundle import add_variants

FP16 = Variant(precision=Precision.FP16, path="model.fp16.onnx", metrics=Scores(measured=True, source="none"))


@pytest.fixture
def bundle(original: Path, tmp_path: Path) -> Bundle:
    return read_bundle(shutil.copytree(original, tmp_path / "stripes" / "1"))


def candidate(bundle: Bundle, content: bytes = b"") -> Path:
    """A file that takes the place of a variant: the bytes of fp32, with `content` after them."""
    path = bundle.path.parent / "candidate.onnx"
    path.write_bytes(bundle.model_path(Precision.FP32).read_bytes() + content)
    return path


def test_the_card_keeps_its_confusion(optimized: tuple[Path, OptimizeResult]) -> None:
    """No other file has it."""
    card = (optimized[0] / "MODEL_CARD.md").read_text()
    assert read_section(card) == confusion_section(LABELS, np.diag(np.arange(1, 5)))
    assert "Measured, int8: test images of" in card


def test_a_variant_is_listed_with_its_hash_and_verifies(bundle: Bundle) -> None:
    """Its file is moved, not copied, and the bundle stays whole."""
    path = candidate(bundle)
    written = add_variants(bundle, [(FP16, path)])
    written.check_files()
    assert not path.exists()
    assert [variant.precision for variant in written.manifest.variants] == ["fp32", "fp16"]
    assert written.manifest.calibration == bundle.manifest.calibration
    assert check_golden(written, Precision.FP16) < 1e-4


def test_a_variant_of_the_same_precision_is_replaced_with_its_file(bundle: Bundle) -> None:
    """Under another name, too: the former file is gone, and listed no more."""
    add_variants(bundle, [(FP16, candidate(bundle))])
    other = FP16.model_copy(update={"path": "half.onnx"})
    written = add_variants(read_bundle(bundle.path), [(other, candidate(bundle))])
    written.check_files()
    assert [variant.path for variant in written.manifest.variants] == ["model.onnx", "half.onnx"]
    assert not (bundle.path / "model.fp16.onnx").exists()
    assert "model.fp16.onnx" not in {file.path for file in written.manifest.files}
