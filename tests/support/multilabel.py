"""A bundle of the task multilabel: whether a picture has much red, green, blue; any number of them."""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from models.contract import MANIFEST, Preprocessing, preprocess, sha256_of
from tests.support.bundles import INPUT, LABELS, SIDE, change_manifest, write_bundle
from tests.support.class_folders import save


def write_multilabel_bundle(repository: Path, name: str = "tints") -> Path:
    """Write `name/1`, whose probabilities are sigmoids of the mean of each channel; returns its folder."""
    folder = write_bundle(repository, name, prediction_sets=False)
    onnx.save(_graph(), folder / "model.onnx")
    session = ort.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    manifest = json.loads((folder / MANIFEST).read_text())
    rows = {}
    for path in manifest["golden"]["images"]:
        with Image.open(folder / path) as image:
            pixels = preprocess(image, INPUT, Preprocessing())
        rows[path] = session.run(["probabilities"], {"image": pixels[None]})[0][0].tolist()
    (folder / manifest["golden"]["probabilities"]).write_text(json.dumps(rows))
    files = [
        {
            "path": each["path"],
            "sha256": sha256_of(folder / each["path"]),
            "bytes": (folder / each["path"]).stat().st_size,
        }
        for each in manifest["files"]
    ]
    change_manifest(folder, schema_version=2, task="multilabel", class_map=False, files=files)
    return folder


def write_multilabel_table(root: Path, count: int, seed: int = 0, *, level: float = 160) -> Path:
    """Write `count` pictures and a table with their labels; returns the table.

    level: grey level of a channel that counts as present; the graph's sigmoid is 0.5 at 128.
    """
    root.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    lines = ["path,label"]
    for number in range(count):
        present = random.random(3) < 0.5
        levels = np.where(present, level, level - 60) + random.normal(0, 20, 3)
        save(root / f"{number:03}.png", np.full((SIDE, SIDE, 3), levels))
        lines.append(
            f"{number:03}.png,{'|'.join(label for label, there in zip(LABELS, present, strict=True) if there)}"
        )
    (root / "table.csv").write_text("\n".join(lines) + "\n")
    return root / "table.csv"


def _graph() -> onnx.ModelProto:
    nodes = [
        helper.make_node("Cast", ["image"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats", "axes"], ["means"], keepdims=0),
        helper.make_node("Sub", ["means", "middle"], ["above"]),
        helper.make_node("Mul", ["above", "factor"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["probabilities"]),
    ]
    constants = {"axes": np.array([1, 2], np.int64), "middle": np.float32(128), "factor": np.float32(0.05)}
    graph = helper.make_graph(
        nodes,
        "tints",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", SIDE, SIDE, 3])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 3]) for name in ("probabilities", "logits")],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
