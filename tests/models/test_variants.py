"""Variants derived from fp32, and how far their golden images may be off."""

import json
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from models.contract import MANIFEST, BundleError, Pixels, Precision, Row, Scores, Variant, read_bundle
from tests.support.bundles import change_manifest, write_bundle
from tests.support.variants import add_variant


def test_a_variant_has_a_tolerance_of_its_own(tmp_path: Path) -> None:
    """Where it names none, the bundle's holds."""
    own = read_bundle(add_variant(write_bundle(tmp_path), golden_tolerance=0.2))
    assert (own.tolerance(), own.tolerance(Precision.INT8)) == (0.001, 0.2)
    none = read_bundle(add_variant(write_bundle(tmp_path, version=2), golden_tolerance=None))
    assert none.tolerance(Precision.INT8) == 0.001


def test_golden_images_are_compared_within_the_variants_tolerance(tmp_path: Path) -> None:
    """What fp32 may not do, int8 may, up to its own limit."""
    bundle = read_bundle(add_variant(write_bundle(tmp_path), golden_tolerance=0.2))

    def slightly_off(pixels: Pixels) -> Row:
        right = np.zeros(3, np.float32)
        right[pixels.mean((0, 1)).argmax()] = 0.9
        return right

    assert bundle.check_golden(slightly_off, Precision.INT8) == pytest.approx(0.1, abs=0.001)
    with pytest.raises(BundleError, match=r"off by 0\.\d+ on cpu, the manifest allows 0\.001"):
        bundle.check_golden(slightly_off, where="cpu")


def test_an_unknown_variant_is_said_plainly(tmp_path: Path) -> None:
    """By its precision."""
    bundle = read_bundle(write_bundle(tmp_path))
    with pytest.raises(BundleError, match="^there is no fp16 variant$"):
        bundle.check_golden(lambda _: np.zeros(3, np.float32), Precision.FP16)


@pytest.mark.parametrize("tolerance", [0, 0.3])
def test_a_tolerance_that_lets_anything_pass_is_refused(tolerance: float) -> None:
    """Beyond a quarter the golden images prove nothing."""
    with pytest.raises(ValidationError, match="golden_tolerance"):
        Variant(
            precision=Precision.INT8,
            path="model.int8.onnx",
            metrics=Scores(measured=True, source="none"),
            golden_tolerance=tolerance,
        )


def test_bf16_is_the_graph_of_fp32(tmp_path: Path) -> None:
    """It has no file of its own, so no other one may be named."""
    folder = add_variant(write_bundle(tmp_path))
    variants = json.loads((folder / MANIFEST).read_text())["variants"]
    half = variants[0] | {"precision": "bf16"}
    change_manifest(folder, variants=[*variants, half])
    assert read_bundle(folder).model_path(Precision.BF16) == folder / "model.onnx"
    change_manifest(folder, variants=[*variants, half | {"path": "model.int8.onnx"}])
    with pytest.raises(BundleError, match=r"the bf16 variant is the graph of fp32: its path is model\.onnx"):
        read_bundle(folder)
