"""A bundle of three classes, red, green and blue: a five-node graph, so that onnxruntime is real."""

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from models.contract import (
    MANIFEST,
    Calibration,
    Colour,
    Dense,
    EnergyThreshold,
    File,
    Golden,
    Input,
    Manifest,
    Precision,
    PredictionSets,
    Preprocessing,
    Provenance,
    Scores,
    Task,
    Variant,
    preprocess,
    sha256_of,
)
from tests.support.pictures import BLUE, GREEN, RED, picture

LABELS = ("red", "green", "blue")
SIDE = 16
INPUT = Input(colour=Colour.RGB, height=SIDE, width=SIDE)


def replace_constant(path: Path, name: str, value: object) -> None:
    """Of the model in `path`: float32 from now on."""
    model = onnx.load(path)
    constant = next(item for item in model.graph.initializer if item.name == name)
    constant.CopyFrom(numpy_helper.from_array(np.array(value, np.float32), name))
    onnx.save(model, path)


def colour_graph(matmuls: int = 0, task: Task = Task.SINGLE) -> onnx.ModelProto:
    """The class map is the picture itself times ten, the logits its mean; of the task multilabel five less.

    matmuls: 3.5 GFLOP of extra work each.
    """
    nodes = [
        helper.make_node("Cast", ["image"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Mul", ["planes", "scale"], ["class_map"]),
        helper.make_node("ReduceMean", ["class_map", "axes"], ["plain_logits"], keepdims=0),
        *_work(matmuls),
        helper.make_node("Add", ["plain_logits", "nothing"], ["logits" if task is Task.SINGLE else "sum"]),
        *_outputs(task),
    ]
    constants = {
        "scale": np.float32(10 / 255),
        "axes": np.array([2, 3], np.int64),
        "zero": np.float32(0),
        "half": np.float32(5),
        "matrix": np.eye(1200, dtype=np.float32) if matmuls else np.float32(0),
        "work_0": np.float32(0),
    }
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        "colours",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", SIDE, SIDE, 3])],
        [
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 3]),
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 3]),
            helper.make_tensor_value_info("class_map", TensorProto.FLOAT, ["N", 3, SIDE, SIDE]),
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items() if name in used],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def infinite_logits_graph() -> onnx.ModelProto:
    """The graph of three colours, but `logits` is infinite for a white picture; `probabilities` is not."""
    model = colour_graph()
    nodes = {name: node for node in model.graph.node for name in node.output}
    nodes["logits"].output[0] = nodes["probabilities"].input[0] = "finite"
    constants = {"axis": np.array([1], np.int64), "limit": np.float32(29), "infinity": np.float32(np.inf)}
    model.graph.initializer.extend(numpy_helper.from_array(np.asarray(each), name) for name, each in constants.items())
    model.graph.node.extend(
        [
            helper.make_node("ReduceSum", ["finite", "axis"], ["brightness"], keepdims=1),
            helper.make_node("Greater", ["brightness", "limit"], ["bright"]),
            helper.make_node("Where", ["bright", "infinity", "finite"], ["logits"]),
        ]
    )
    return model


def _outputs(task: Task) -> list[onnx.NodeProto]:
    if task is Task.SINGLE:
        return [helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1)]
    return [
        helper.make_node("Sub", ["sum", "half"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["probabilities"]),
    ]


def _work(matmuls: int) -> list[onnx.NodeProto]:
    if not matmuls:
        return [helper.make_node("Identity", ["zero"], ["nothing"])]
    chain = [helper.make_node("ReduceMax", ["class_map"], ["peak"], keepdims=0)]
    chain.append(helper.make_node("Mul", ["matrix", "peak"], ["work_1"]))
    chain += [helper.make_node("MatMul", [f"work_{i}", "matrix"], [f"work_{i + 1}"]) for i in range(1, matmuls + 1)]
    chain.append(helper.make_node("ReduceMax", [f"work_{matmuls + 1}"], ["top"], keepdims=0))
    chain.append(helper.make_node("Mul", ["top", "zero"], ["nothing"]))
    return chain


def write_bundle(
    repository: Path,
    name: str = "colours",
    version: int = 1,
    *,
    matmuls: int = 0,
    prediction_sets: bool = True,
    graph: onnx.ModelProto | None = None,
    dense: Dense | None = None,
    temperature: float = 1,
    task: Task = Task.SINGLE,
    energy_threshold: float | None = None,
    thresholds: tuple[float, ...] = (),
    preprocessing: Preprocessing | None = None,
) -> Path:
    """A complete, valid bundle; returns its folder. graph: another one than `colour_graph`, with its temperature.

    energy_threshold: of red, green and blue the energy is -10, of black -1.1. thresholds: of the task multilabel.
    """
    folder = repository / name / str(version)
    (folder / "golden").mkdir(parents=True)
    onnx.save(graph or colour_graph(matmuls, task), folder / "model.onnx")
    (folder / "MODEL_CARD.md").write_text("# Three colours\n")
    preprocessing = preprocessing or Preprocessing()
    golden = _write_golden(folder, preprocessing)
    files = [_file(folder, path) for path in sorted(folder.rglob("*")) if path.is_file()]
    manifest = Manifest(
        name=name,
        version=version,
        description="Tells red, green and blue apart.",
        architecture="mean of each channel",
        parameters=1,
        labels=LABELS,
        input=INPUT,
        preprocessing=preprocessing,
        files=tuple(files),
        variants=(
            Variant(precision=Precision.FP32, path="model.onnx", metrics=Scores(measured=False, source="by design")),
        ),
        class_map=True,
        dense=dense,
        task=task,
        calibration=Calibration(
            temperature=temperature,
            fitted_on=None,
            note="made for tests",
            prediction_sets=PredictionSets(fitted_on="nothing", images=1, thresholds={"0.5": 0.4, "0.9": 0.9999})
            if prediction_sets and task is Task.SINGLE
            else None,
            energy=None if energy_threshold is None else _energy(energy_threshold),
            thresholds=thresholds,
        ),
        golden=golden,
        provenance=Provenance(
            dataset="none",
            licence="Apache-2.0",
            command="pytest",
            commit="0" * 40,
            libraries={},
            created=datetime(2026, 1, 1, tzinfo=UTC),
        ),
    )
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=1))
    return folder


def change_manifest(folder: Path, **changes: object) -> None:
    """Overwrite top-level keys of a written manifest."""
    path = folder / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def _energy(threshold: float) -> EnergyThreshold:
    return EnergyThreshold(threshold=threshold, true_positive_rate=0.95, fitted_on="nothing", images=20)


def _write_golden(folder: Path, preprocessing: Preprocessing) -> Golden:
    images = {"golden/red.png": picture(RED), "golden/green.jpg": picture(GREEN, image_format="JPEG")}
    images["golden/blue.png"] = picture(BLUE)
    session = ort.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    rows = {}
    for path, body in images.items():
        (folder / path).write_bytes(body)
        with Image.open(folder / path) as image:
            pixels = preprocess(image, INPUT, preprocessing)
        rows[path] = session.run(["probabilities"], {"image": pixels[None]})[0][0].tolist()
    (folder / "golden/probabilities.json").write_text(json.dumps(rows))
    return Golden(images=tuple(images), probabilities="golden/probabilities.json", tolerance=0.001)


def _file(folder: Path, path: Path) -> File:
    return File(path=path.relative_to(folder).as_posix(), sha256=sha256_of(path), bytes=path.stat().st_size)


def add_baseline(folder: Path) -> Path:
    """Give a bundle of `write_bundle` a baseline of 1,000 images; returns the folder.

    Of them half are red, 30 % green and 20 % blue; 10 % have a confidence up to 0.5, 20 % up to 0.9.
    """
    shares = [{"class_id": class_id, "share": share} for class_id, share in enumerate((0.5, 0.3, 0.2))]
    calibration = json.loads((folder / MANIFEST).read_text())["calibration"]
    baseline = {
        "measured_on": "made",
        "images": 1000,
        "classes": shares,
        "bounds": [0.5, 0.9],
        "confidence": [0.1, 0.2, 0.7],
        "unfamiliar": None if calibration["energy"] is None else 0.05,
    }
    change_manifest(folder, calibration=calibration | {"baseline": baseline})
    return folder
