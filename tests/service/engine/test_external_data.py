"""Weights outside the ONNX file are served when the manifest lists their file with a hash, and refused otherwise."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from models.contract import BundleError, File, Precision, read_bundle, sha256_of
from service.engine.external_data import check_external_data
from service.engine.providers import EngineOptions
from service.engine.session import EngineRejected
from service.engine.verification import open_verified
from tests.support.bundles import change_manifest, colour_graph, write_bundle


def take_out(folder: Path) -> None:
    """Move weights of the model into a file of their own, and write the new hashes of both into the manifest."""
    path = folder / "model.onnx"
    model = onnx.load(path)
    scale = next(tensor for tensor in model.graph.initializer if tensor.name == "scale")
    (folder / "weights.bin").write_bytes(scale.raw_data)
    make_external(scale, "weights.bin")
    onnx.save(model, path)
    list_files(folder, "model.onnx", "weights.bin")


def make_external(tensor: TensorProto, location: str) -> None:
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)


def list_files(folder: Path, *names: str) -> None:
    """In the manifest, with the hashes that they have now."""
    manifest = read_bundle(folder).manifest
    files = {file.path: file for file in manifest.files}
    for name in names:
        path = folder / name
        files[name] = File(path=name, sha256=sha256_of(path), bytes=path.stat().st_size)
    change_manifest(folder, files=[file.model_dump(mode="json") for file in files.values()])


def unlist(folder: Path, name: str) -> None:
    files = [file for file in read_bundle(folder).manifest.files if file.path != name]
    change_manifest(folder, files=[file.model_dump(mode="json") for file in files])


def test_a_listed_file_of_weights_is_served(tmp_path: Path) -> None:
    """Golden images and all."""
    folder = write_bundle(tmp_path)
    take_out(folder)
    open_verified(read_bundle(folder), EngineOptions()).close()


def test_a_file_of_weights_that_is_not_listed_is_refused(tmp_path: Path) -> None:
    """It could change, and nobody would know."""
    folder = write_bundle(tmp_path)
    take_out(folder)
    unlist(folder, "weights.bin")
    with pytest.raises(EngineRejected, match=r"takes weights from 'weights.bin', which the manifest does not list"):
        open_verified(read_bundle(folder), EngineOptions())


@pytest.mark.parametrize("location", ["../weights.bin", "/etc/passwd", "*/_ORT_MEM_ADDR_/*"])
def test_weights_outside_the_bundle_are_refused(tmp_path: Path, location: str) -> None:
    """Also those that onnxruntime would take from memory."""
    folder = write_bundle(tmp_path)
    model = onnx.load(folder / "model.onnx")
    make_external(model.graph.initializer[0], location)
    onnx.save(model, folder / "model.onnx")
    list_files(folder, "model.onnx")
    with pytest.raises(BundleError, match="takes weights from"):
        check_external_data(read_bundle(folder), Precision.FP32)


def in_a_constant(model: onnx.ModelProto, tensor: TensorProto) -> None:
    model.graph.node.append(helper.make_node("Constant", [], ["unused"], value=tensor))


def in_a_branch(model: onnx.ModelProto, tensor: TensorProto) -> None:
    graph = helper.make_graph([], "branch", [], [], [tensor])
    model.graph.node.append(helper.make_node("If", ["zero"], ["unused"], then_branch=graph, else_branch=graph))


def in_a_function(model: onnx.ModelProto, tensor: TensorProto) -> None:
    node = helper.make_node("Constant", [], ["y"], value=tensor)
    model.functions.append(helper.make_function("own", "f", [], ["y"], [node], [helper.make_opsetid("", 18)]))


@pytest.mark.parametrize("put", [in_a_constant, in_a_branch, in_a_function])
def test_weights_are_found_wherever_they_are_in_the_graph(
    tmp_path: Path, put: Callable[[onnx.ModelProto, TensorProto], None]
) -> None:
    """Not only among the initializers."""
    folder = write_bundle(tmp_path)
    tensor = onnx.numpy_helper.from_array(np.zeros(3, np.float32), "hidden")
    make_external(tensor, "weights.bin")
    model = colour_graph()
    put(model, tensor)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(BundleError, match="takes weights from 'weights.bin'"):
        check_external_data(read_bundle(folder), Precision.FP32)
