"""A class map costs nothing while nobody asks for it, and is the same when somebody does."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from models.contract import Bundle, Precision, read_bundle
from service.engine.class_map_graph import with_optional_class_map
from service.engine.graph_check import CLASS_MAP_WANTED
from service.engine.onnx_engine import OnnxEngine
from service.engine.providers import EngineOptions
from service.engine.session import open_session
from service.engine.verification import open_verified
from service.errors import EngineFailure
from service.types import Batch
from tests.support.bundles import SIDE, colour_graph, write_bundle

SHIPPED = Path("models/imagenet/1")
PICTURES: NDArray[np.uint8] = np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 3)).astype(np.uint8)


def graph_with_own_map(*class_map: onnx.NodeProto) -> onnx.ModelProto:
    """Logits are means of planes; these nodes make the class map of `planes`, the last one is named so."""
    model = colour_graph()
    nodes = [
        helper.make_node("Cast", ["image"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("ReduceMean", ["planes", "axes"], ["means"], keepdims=0),
        helper.make_node("Mul", ["means", "scale"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    del model.graph.node[:]
    model.graph.node.extend([*nodes, *class_map])
    return model


def plain_map() -> onnx.ModelProto:
    return graph_with_own_map(helper.make_node("Mul", ["planes", "scale"], ["class_map"]))


def saved(model: onnx.ModelProto, folder: Path) -> Path:
    onnx.save(model, folder / "model.onnx")
    return folder / "model.onnx"


def outputs_of(model: bytes | Path, wanted: bool | None) -> list[NDArray[np.float32]]:
    """Probabilities, logits and class map of PICTURES."""
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    rows: list[NDArray[np.float32]] = session.run(
        None, {"image": PICTURES} | ({} if wanted is None else {CLASS_MAP_WANTED: np.array(wanted)})
    )
    return rows


def engine_of(bundle: Bundle) -> OnnxEngine:
    return OnnxEngine(bundle.model_path(Precision.FP32), bundle.manifest, EngineOptions())


def test_answers_are_the_same_and_the_map_is_empty_unless_wanted(tmp_path: Path) -> None:
    """Empty, with its number of classes."""
    path = saved(plain_map(), tmp_path)
    expected, model = outputs_of(path, None), with_optional_class_map(path, 3)
    assert model is not None
    for one, other in zip(outputs_of(model, True), expected, strict=True):
        np.testing.assert_array_equal(one, other)
    *others, nothing = outputs_of(model, False)
    for one, other in zip(others, expected[:2], strict=True):
        np.testing.assert_array_equal(one, other)
    assert nothing.shape == (0, 3, 0, 0)


def test_an_engine_computes_no_map_that_nobody_asked_for(tmp_path: Path) -> None:
    """The map here cannot be computed: it looks values up where there are none."""
    bundle = read_bundle(write_bundle(tmp_path, graph=plain_map()))
    model = graph_with_own_map(
        helper.make_node("Cast", ["planes"], ["index"], to=TensorProto.INT64),
        helper.make_node("Gather", ["one_value", "index"], ["class_map"], axis=0),
    )
    model.graph.initializer.append(numpy_helper.from_array(np.zeros(1, np.float32), "one_value"))
    saved(model, bundle.path)
    engine = engine_of(bundle)
    assert engine.run(Batch(PICTURES)).probabilities.shape == (2, 3)
    with pytest.raises(EngineFailure):
        engine.run(Batch(PICTURES, class_map=True))
    engine.close()


def test_the_shipped_network_is_told_and_answers_as_its_file_does() -> None:
    """Class map and probabilities, of batches with and without."""
    bundle = read_bundle(SHIPPED)
    images = np.random.default_rng(0).integers(0, 256, (2, *bundle.manifest.input.shape)).astype(np.uint8)
    session = ort.InferenceSession(bundle.model_path(Precision.FP32), providers=["CPUExecutionProvider"])
    probabilities, class_map = session.run(["probabilities", "class_map"], {"image": images})
    engine = engine_of(bundle)
    plain, mapped = engine.run(Batch(images)), engine.run(Batch(images, class_map=True))
    assert plain.class_map is None
    assert mapped.class_map is not None
    np.testing.assert_allclose(mapped.class_map, class_map, atol=1e-4)
    for answer in (plain, mapped):
        np.testing.assert_allclose(answer.probabilities, probabilities, atol=1e-5)
    engine.close()


def test_constants_of_the_map_stay_outside_and_what_nobody_needs_is_left_out(tmp_path: Path) -> None:
    """So that onnxruntime folds the first when it loads; nodes need not be in order."""
    model = graph_with_own_map(
        helper.make_node("Mul", ["planes", "doubled"], ["class_map"]),
        helper.make_node("Add", ["scale", "scale"], ["doubled"]),
        helper.make_node("Neg", ["class_map"], ["nobody's"]),
    )
    found = with_optional_class_map(saved(model, tmp_path), 3)
    assert found is not None
    nodes = list(onnx.load_from_string(found).graph.node)
    assert [node.op_type for node in nodes[-2:]] == ["Add", "If"]
    then_branch = next(branch.g for branch in nodes[-1].attribute if branch.name == "then_branch")
    assert [node.op_type for node in then_branch.node] == ["Mul"]


def test_what_a_branch_of_the_map_reads_is_kept(tmp_path: Path) -> None:
    """A graph may have branches of its own."""
    value = helper.make_tensor_value_info("value", TensorProto.FLOAT, None)
    bodies = [
        helper.make_graph([helper.make_node(kind, ["planes", "scale"], ["value"])], kind, [], [value])
        for kind in ("Mul", "Add")
    ]
    model = graph_with_own_map(
        helper.make_node("Equal", ["scale", "scale"], ["always"]),
        helper.make_node("If", ["always"], ["class_map"], then_branch=bodies[0], else_branch=bodies[1]),
    )
    path = saved(model, tmp_path)
    found = with_optional_class_map(path, 3)
    assert found is not None
    np.testing.assert_array_equal(outputs_of(found, True)[2], outputs_of(path, None)[2])


def test_a_map_that_other_outputs_are_made_from_stays(tmp_path: Path) -> None:
    """There is nothing to gain."""
    assert with_optional_class_map(saved(colour_graph(), tmp_path), 3) is None


def test_a_graph_without_a_map_stays(tmp_path: Path) -> None:
    """There is nothing to leave out."""
    model = plain_map()
    del model.graph.output[2]
    assert with_optional_class_map(saved(model, tmp_path), 3) is None


def test_weights_outside_the_file_are_left_where_they_are(tmp_path: Path) -> None:
    """onnxruntime finds them beside the file, not beside bytes."""
    model, path = plain_map(), tmp_path / "model.onnx"
    onnx.save(model, path, save_as_external_data=True, location="weights", size_threshold=0)
    assert (tmp_path / "weights").exists()
    assert with_optional_class_map(path, 3) is None


def _without_shape(model: onnx.ModelProto) -> None:
    model.graph.output[2].type.tensor_type.ClearField("shape")


def _symbolic(model: onnx.ModelProto) -> None:
    model.graph.output[2].type.tensor_type.shape.dim[1].dim_param = "K"


def _unsorted(model: onnx.ModelProto) -> None:
    """As the conversion to half precision leaves a graph."""
    del model.graph.node[-1]
    model.graph.node.append(helper.make_node("Mul", ["positive", "scale"], ["class_map"]))
    model.graph.node.append(helper.make_node("Relu", ["planes"], ["positive"]))


def _name_is_taken(model: onnx.ModelProto) -> None:
    """onnxruntime loads the file, and refuses the branch."""
    del model.graph.node[-1]
    model.graph.node.append(helper.make_node("Relu", ["planes"], [CLASS_MAP_WANTED]))
    model.graph.node.append(helper.make_node("Mul", [CLASS_MAP_WANTED, "scale"], ["class_map"]))


@pytest.mark.parametrize("change", [_without_shape, _symbolic, _unsorted, _name_is_taken])
def test_what_onnxruntime_runs_is_served(tmp_path: Path, change: Callable[[onnx.ModelProto], None]) -> None:
    """With a branch, or as it is where it can have none."""
    model = plain_map()
    change(model)
    bundle = read_bundle(write_bundle(tmp_path, graph=model))
    engine = open_verified(bundle, EngineOptions())
    answer, expected = engine.run(Batch(PICTURES, class_map=True)), outputs_of(bundle.path / "model.onnx", None)
    np.testing.assert_array_equal(answer.probabilities, expected[0])
    assert answer.class_map is not None
    np.testing.assert_array_equal(answer.class_map, expected[2])
    engine.close()


def test_the_changed_file_is_not_kept(tmp_path: Path) -> None:
    """onnxruntime keeps a model that it is given as bytes."""
    bundle = read_bundle(write_bundle(tmp_path, graph=plain_map()))
    session = open_session(bundle.model_path(Precision.FP32), bundle.manifest, EngineOptions())
    assert session.opened._model_bytes is None
    before = set(os.listdir("/proc/self/fd"))
    open_session(bundle.model_path(Precision.FP32), bundle.manifest, EngineOptions())
    assert set(os.listdir("/proc/self/fd")) == before
