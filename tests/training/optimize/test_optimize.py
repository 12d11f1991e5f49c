"""`snellen optimize` on a whole bundle: what is admitted, what is not, and what is left on disk."""

import re
import shutil
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from models.contract import CLASS_MAP, INPUT, LOGITS, MANIFEST, PROBABILITIES, Precision, read_bundle
from service.engine.providers import EngineOptions
from service.engine.verification import open_verified
from tests.training.conftest import SIDE
from tests.training.optimize.conftest import ALL
from training.errors import OptimizeError
from training.evaluation.onnx_session import open_session
from training.evaluation.openvino_graph import bf16_obstacle
from training.importing.golden_images import check_golden
from training.optimize.make_variants import VariantOptions
from training.optimize.optimize import Source, optimize
from training.optimize.result import OptimizeResult

pytestmark = pytest.mark.timeout(300)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file under `folder`, hidden ones too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_admitted_variants_are_part_of_a_whole_bundle(optimized: tuple[Path, OptimizeResult]) -> None:
    """Hashes, golden images of each within its own tolerance, and nothing left over."""
    folder, result = optimized
    assert [row.verdict for row in result.rows] == ["reference", "admitted", "admitted", "admitted"]
    bundle = read_bundle(folder)
    bundle.check_files()
    for precision in ALL:
        assert check_golden(bundle, precision) <= bundle.tolerance(precision)
    assert {path.name for path in folder.parent.iterdir()} == {"1"}
    listed = {file.path for file in bundle.manifest.files} | {MANIFEST, "MODEL_CARD.md"}
    assert set(contents(folder)) == listed


@pytest.mark.parametrize("precision", ALL)
def test_a_variant_keeps_the_graph_contract(optimized: tuple[Path, OptimizeResult], precision: Precision) -> None:
    """uint8 in, float32 out, probabilities that sum to one, and a class map whose mean gives the logits."""
    session = open_session(read_bundle(optimized[0]).model_path(precision))
    assert [(node.name, node.type) for node in session.get_inputs()] == [(INPUT, "tensor(uint8)")]
    assert {node.name: node.type for node in session.get_outputs()} == dict.fromkeys(
        (PROBABILITIES, LOGITS, CLASS_MAP), "tensor(float)"
    )
    images = np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE, 1), dtype=np.uint8)
    probabilities, logits, class_map = session.run([PROBABILITIES, LOGITS, CLASS_MAP], {INPUT: images})
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-3)
    bias = logits - class_map.mean((2, 3))
    np.testing.assert_allclose(bias, bias[:1].repeat(3, 0), atol=0.02)


def test_the_manifest_says_how_each_was_made(optimized: tuple[Path, OptimizeResult]) -> None:
    """Agreement, speed, sparsity and provenance, beside metrics of the same images."""
    manifest = read_bundle(optimized[0]).manifest
    for precision in ALL:
        variant = manifest.variant(precision)
        assert variant is not None
        assert variant.agreement is not None
        assert variant.agreement.images == variant.metrics.images == 80
        assert variant.speed is not None
        assert variant.provenance is not None
        assert variant.provenance.notes[1] == (
            "Admitted by the rule: top-1 accuracy on the same images at most 20 points below fp32."
        )
        assert variant.provenance.notes[2].startswith("Judged on 80 images: test images of IDX files in")
    pruned = manifest.variant(Precision.PRUNED)
    assert pruned is not None
    assert pruned.sparsity == pytest.approx(0.5, abs=0.01)


def test_a_variant_can_be_made_again(optimized: tuple[Path, OptimizeResult], source: Path, tmp_path: Path) -> None:
    """It takes the place of the former one."""
    folder = tmp_path / "stripes" / "1"
    shutil.copytree(optimized[0], folder)
    optimize(folder, (Precision.FP16,), VariantOptions(budget=20), Source(str(source), tmp_path), log=lambda _: None)
    bundle = read_bundle(folder)
    bundle.check_files()
    assert sorted(variant.precision for variant in bundle.manifest.variants) == ["fp16", "fp32", "int8", "pruned"]


def test_what_is_outside_the_budget_changes_nothing(original: Path, source: Path, tmp_path: Path) -> None:
    """Pruned to almost nothing and barely fine-tuned: rejected, with the number."""
    folder = tmp_path / "stripes" / "1"
    shutil.copytree(original, folder)
    options = VariantOptions(budget=0.5, sparsity=0.99, epochs=1)
    result = optimize(folder, (Precision.PRUNED,), options, Source(str(source), tmp_path), log=lambda _: None)
    assert not result.rows[1].admitted
    assert result.rows[1].verdict.startswith("rejected: ")
    assert contents(folder.parent) == contents(original.parent)


@pytest.mark.parametrize("precision", ALL)
def test_the_service_accepts_every_admitted_variant(
    optimized: tuple[Path, OptimizeResult], precision: Precision
) -> None:
    """Files, graph, larger images and golden images, by its own loading code."""
    with closing(open_verified(read_bundle(optimized[0]), EngineOptions(("cpu",), precision=precision))) as engine:
        assert engine.provider == "cpu"


def test_bf16_is_admitted_without_a_file_of_its_own(original: Path, source: Path, tmp_path: Path) -> None:
    """With the proof of the others; where it cannot be computed, one sentence and an unchanged bundle."""
    folder = tmp_path / "stripes" / "1"
    shutil.copytree(original, folder)
    command = ((Precision.BF16,), VariantOptions(budget=5), Source(str(source), tmp_path))
    if reason := bf16_obstacle():
        with pytest.raises(OptimizeError, match=re.escape(f"bf16 is not made: {reason}")):
            optimize(folder, *command, log=lambda _: None)
        assert contents(folder) == contents(original)
        return
    for _ in range(2):  # made again, it takes the place of the former one
        result = optimize(folder, *command, log=lambda _: None)
    assert [row.verdict for row in result.rows] == ["reference", "admitted"]
    assert result.rows[1].speed.library == "OpenVINO"
    bundle = read_bundle(folder)
    bundle.check_files()
    variant = bundle.manifest.variant(Precision.BF16)
    assert variant is not None
    assert variant.path == "model.onnx"
    assert variant.metrics.source.endswith(" in bfloat16")
    assert len(bundle.manifest.variants) == 2
    assert check_golden(bundle, Precision.BF16) <= bundle.tolerance(Precision.BF16)
    assert set(contents(folder)) == set(contents(original))
