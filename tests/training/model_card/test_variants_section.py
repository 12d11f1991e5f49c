"""The section of the model card on variants."""

from pathlib import Path

import pytest

from models.contract import Agreement, File, Manifest, Precision, Scores, Speed, Variant, read_bundle
from training.model_card.variants_section import variants_section

SHIPPED = Path(__file__).parents[3] / "models" / "imagenet" / "1"
INT8 = Variant(
    precision=Precision.INT8,
    path="model.int8.onnx",
    metrics=Scores(measured=True, source="crops", images=80),
    agreement=Agreement(source="crops", images=80, top1=0.975, mean_distance=0.0125, max_distance=0.25),
    speed=Speed(machine="A processor", threads=2, batch_size=16, images_per_s=100, ratio=1.758),
    float_layers=("first", "last"),
)


@pytest.fixture
def fp32() -> Manifest:
    manifest = read_bundle(SHIPPED).manifest
    only = tuple(variant for variant in manifest.variants if variant.precision is Precision.FP32)
    return manifest.model_copy(update={"variants": only})


def with_int8(manifest: Manifest, variant: Variant = INT8) -> Manifest:
    file = File(path=variant.path, sha256="0" * 64, bytes=1_234_567)
    return manifest.model_copy(update={"variants": (*manifest.variants, variant), "files": (*manifest.files, file)})


def test_a_bundle_of_fp32_alone_has_no_such_section(fp32: Manifest) -> None:
    """There is no empty table."""
    assert variants_section(fp32) is None


def test_a_row_holds_agreement_distance_size_and_speed(fp32: Manifest) -> None:
    """A column is left out where no variant has it."""
    section = variants_section(with_int8(fp32))
    assert section is not None
    assert "| int8 | 0.9750 | 0.0125 | 0.2500 | 1.23 | 1.76 |\n" in section
    assert "ECE" not in section
    assert "by turns on A processor, 2 thread, batches of 16." in section
    assert "- int8: Layers in float: first, last." in section


def test_a_variant_without_a_measured_speed_names_no_machine(fp32: Manifest) -> None:
    """The sentence ends before the machine; beside a variant with a speed its cell is empty."""
    section = variants_section(with_int8(fp32, INT8.model_copy(update={"speed": None})))
    assert section is not None
    assert "by turns." in section
    assert "| 0.2500 | 1.23 |\n" in section
    slow = INT8.model_copy(update={"precision": Precision.FP16, "path": "model.fp16.onnx", "speed": None})
    both = variants_section(with_int8(with_int8(fp32), slow))
    assert both is not None
    assert "| fp16 | 0.9750 | 0.0125 | 0.2500 | 1.23 |  |\n" in both
