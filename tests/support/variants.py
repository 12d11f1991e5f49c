"""A second variant beside fp32: the colour graph with a flatter softmax, under the name of int8."""

import json
from pathlib import Path

import onnx

from models.contract import MANIFEST, sha256_of
from tests.support.bundles import change_manifest, colour_graph, replace_constant


def add_variant(folder: Path, *, factor: float = 9, golden_tolerance: float | None = 0.01) -> Path:
    """Give a written bundle an int8 variant whose logits are `factor` times the mean colour; fp32's are ten times."""
    path = folder / "model.int8.onnx"
    onnx.save(colour_graph(), path)
    replace_constant(path, "scale", factor / 255)
    manifest = json.loads((folder / MANIFEST).read_text())
    file = {"path": path.name, "sha256": sha256_of(path), "bytes": path.stat().st_size}
    metrics = {"measured": True, "source": "made for tests"}
    variant = {"precision": "int8", "path": path.name, "metrics": metrics, "golden_tolerance": golden_tolerance}
    change_manifest(folder, files=[*manifest["files"], file], variants=[*manifest["variants"], variant])
    return folder
