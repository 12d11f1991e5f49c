"""A bundle is verified before it serves: files, graph, golden images and the dense grid, on the engine itself."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from models.contract import Bundle, Dense, Precision, Task, read_bundle
from service.engine.engines import LocalEngine, open_engine
from service.engine.providers import EngineOptions
from service.engine.session import EngineRejected
from service.engine.verification import check_dense, check_golden, open_verified
from tests.support.bundles import colour_graph, replace_constant, write_bundle
from tests.support.dense import TEMPERATURE, write_dense_bundle
from tests.support.libraries import LIBRARIES
from tests.support.pictures import BLUE, picture
from tests.support.variants import add_variant


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return read_bundle(write_bundle(tmp_path))


def opened(bundle: Bundle, library: str = "cpu") -> LocalEngine:
    """Open the engine of a bundle without verification."""
    return open_engine(bundle.path / "model.onnx", bundle.manifest, EngineOptions((library,)))


@pytest.mark.parametrize("library", LIBRARIES)
def test_golden_images_prove_the_engine(bundle: Bundle, library: str) -> None:
    """A verified engine reproduces the probabilities in the bundle."""
    assert check_golden(bundle, open_verified(bundle, EngineOptions((library,)))) < 1e-6


@pytest.mark.parametrize("library", LIBRARIES)
def test_an_engine_that_computes_something_else_is_refused(bundle: Bundle, library: str) -> None:
    """A golden image whose probabilities differ is refused, with the image and the difference in the message."""
    (bundle.path / "golden/red.png").write_bytes(picture(BLUE))
    reason = rf"golden image golden/red.png: a probability is off by 0\.9\d+ on {library}"
    with pytest.raises(EngineRejected, match=reason):
        check_golden(bundle, opened(bundle, library))


@pytest.mark.parametrize("library", LIBRARIES)
def test_an_engine_that_answers_nan_is_refused(bundle: Bundle, library: str) -> None:
    """NaN is not within any tolerance."""
    replace_constant(bundle.path / "model.onnx", "scale", np.nan)
    with pytest.raises(EngineRejected, match="off by nan"):
        check_golden(bundle, opened(bundle, library))


def test_a_golden_image_that_is_none_is_named(bundle: Bundle) -> None:
    """A file that Pillow cannot decode becomes an EngineRejected that names the image."""
    (bundle.path / "golden/red.png").write_bytes(b"not a picture")
    with pytest.raises(EngineRejected, match="^golden image golden/red.png cannot be decoded"):
        check_golden(bundle, opened(bundle))


def test_golden_rows_that_cannot_be_read_are_named(bundle: Bundle) -> None:
    """The message names the file without the path on this machine."""
    (bundle.path / "golden/probabilities.json").unlink()
    with pytest.raises(EngineRejected, match="^golden/probabilities.json cannot be read: No such file or directory$"):
        check_golden(bundle, opened(bundle))


def test_a_golden_image_that_cannot_be_run_is_named(bundle: Bundle) -> None:
    """The graph looks a value up where there is none, which shows only when it runs."""
    path = bundle.path / "model.onnx"
    model = onnx.load(path)
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.zeros(1, np.float32), "one_value"))
    look_up = [
        onnx.helper.make_node("ReduceMax", ["class_map"], ["peak"], keepdims=0),
        onnx.helper.make_node("Cast", ["peak"], ["index"], to=onnx.TensorProto.INT64),
        onnx.helper.make_node("Gather", ["one_value", "index"], ["nothing"], axis=0),
    ]
    kept = [node for node in model.graph.node if "nothing" not in node.output]
    place = next(i for i, node in enumerate(kept) if "logits" in node.output)
    del model.graph.node[:]
    model.graph.node.extend([*kept[:place], *look_up, *kept[place:]])
    onnx.save(model, path)
    with pytest.raises(EngineRejected, match="^golden image golden/red.png cannot be run on cpu"):
        check_golden(bundle, opened(bundle))


def test_a_changed_file_never_reaches_onnxruntime(bundle: Bundle) -> None:
    """The hashes of the files are checked before the graph is opened."""
    (bundle.path / "model.onnx").write_bytes(b"something else")
    with pytest.raises(EngineRejected, match="model.onnx differs"):
        open_verified(bundle, EngineOptions())


def test_a_variant_proves_itself_within_its_own_tolerance(tmp_path: Path) -> None:
    """A variant is checked against its own tolerance, not against that of fp32."""
    bundle = read_bundle(add_variant(write_bundle(tmp_path)))
    engine = open_verified(bundle, EngineOptions(precision=Precision.INT8))
    assert 0 < check_golden(bundle, engine, Precision.INT8) < 0.01
    engine.close()
    other = read_bundle(add_variant(write_bundle(tmp_path, version=2), factor=1))
    with pytest.raises(EngineRejected, match=r"off by .* on cpu, the manifest allows 0\.01"):
        open_verified(other, EngineOptions(precision=Precision.INT8))


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_class_map_of_another_shape_is_refused(tmp_path: Path, library: str) -> None:
    """The outputs of a branch have no declared shape, so one class map is computed and compared.

    OpenVINO has no branch, and infers the shape when it reads the graph.
    """
    model = colour_graph()
    multiply, mean = model.graph.node[2], model.graph.node[3]
    multiply.output[0] = mean.input[0] = "scaled"
    model.graph.node.append(onnx.helper.make_node("Concat", ["scaled", "scaled"], ["class_map"], axis=1))
    bundle = read_bundle(write_bundle(tmp_path, graph=model))
    with pytest.raises(EngineRejected, match=r"output class_map should be .*\[N, 3, ...\].*\b6, 16, 16\]"):
        open_verified(bundle, EngineOptions((library,)))


def test_files_are_not_read_again_where_they_were_just_verified(bundle: Bundle) -> None:
    """With `again`, hashes are not compared, but the golden images still are."""
    path = bundle.path / "model.onnx"
    path.write_bytes(onnx.load(path).SerializeToString() + b"\x12\x00")  # an empty producer name: other bytes
    open_verified(bundle, EngineOptions(), again=True).close()
    replace_constant(path, "scale", 0)
    with pytest.raises(EngineRejected, match="^golden image golden/red.png: a probability is off by"):
        open_verified(bundle, EngineOptions(), again=True)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_dense_grid_that_is_not_that_of_the_graph_is_refused(tmp_path: Path, library: str) -> None:
    """The class map of a larger image grows by one cell per stride of the manifest."""
    for number, dense in enumerate((Dense(stride=(4, 2), window=(5, 5)), Dense(stride=(2, 2), window=(5, 4)))):
        bundle = read_bundle(write_dense_bundle(tmp_path, f"dense{number}", dense=dense))
        with pytest.raises(EngineRejected, match=r"^the class map of an image of .* stride and window in the manifest"):
            check_dense(bundle.manifest, opened(bundle, library))


@pytest.mark.parametrize("library", LIBRARIES)
def test_another_temperature_than_that_of_the_graph_is_refused(tmp_path: Path, library: str) -> None:
    """A cell of the class map and the ordinary output have the same probabilities."""
    bundle = read_bundle(write_dense_bundle(tmp_path))
    engine = opened(bundle, library)
    check_dense(bundle.manifest, engine)
    other = bundle.manifest.calibration.model_copy(update={"temperature": 3 * TEMPERATURE})
    with pytest.raises(EngineRejected, match="softmax does not have the temperature of the manifest, 4.5"):
        check_dense(bundle.manifest.model_copy(update={"calibration": other}), engine)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("write", [write_bundle, write_dense_bundle])
def test_a_multilabel_bundle_is_verified_as_any_other(tmp_path: Path, write: Callable[..., Path], library: str) -> None:
    """Its golden images and its cells have sigmoids; the temperature has to be that of the graph."""
    bundle = read_bundle(write(tmp_path, task=Task.MULTILABEL))
    engine = open_verified(bundle, EngineOptions((library,)))
    if bundle.manifest.dense is not None:
        other = bundle.manifest.calibration.model_copy(update={"temperature": 3 * TEMPERATURE})
        with pytest.raises(EngineRejected, match="sigmoid does not have the temperature of the manifest, 4.5"):
            check_dense(bundle.manifest.model_copy(update={"calibration": other}), engine)
    engine.close()
