"""The engine runs what the manifest says, on what was asked for, or not at all."""

import resource
from pathlib import Path

import numpy as np
import onnx
import pytest

from models.contract import Bundle, Colour, Input, read_bundle
from service.engine.onnx_engine import OnnxEngine
from service.engine.providers import EngineOptions
from service.engine.session import EngineRejected, installed_providers
from service.engine.verification import check_golden, open_verified
from service.errors import EngineFailure
from service.heap import return_free_memory
from service.types import Batch
from tests.support.bundles import SIDE, replace_constant, write_bundle
from tests.support.pictures import BLUE, picture


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return read_bundle(write_bundle(tmp_path))


def open_engine(bundle: Bundle, options: EngineOptions | None = None, **changes: object) -> OnnxEngine:
    manifest = bundle.manifest.model_copy(update=changes)
    return OnnxEngine(bundle.path / "model.onnx", manifest, options or EngineOptions())


async def test_a_batch_in_rows_out(bundle: Bundle) -> None:
    """uint8 [N, H, W, C] -> float32 [N, K]; the class map only when it is asked for."""
    engine = open_engine(bundle)
    images = np.zeros((3, SIDE, SIDE, 3), np.uint8)
    images[1, ..., 1] = 255
    plain, mapped = await engine.predict(lambda: Batch(images)), await engine.predict(lambda: Batch(images, True))
    assert plain.probabilities.shape == (3, 3)
    assert plain.probabilities.dtype == np.float32
    assert plain.probabilities[1].argmax() == 1
    assert plain.class_map is None
    assert mapped.class_map is not None
    assert mapped.class_map.shape == (3, 3, SIDE, SIDE)
    engine.close()


async def test_what_onnxruntime_refuses_is_an_engine_failure(bundle: Bundle) -> None:
    """Its exceptions do not travel further."""
    engine = open_engine(bundle)
    with pytest.raises(EngineFailure):
        await engine.predict(lambda: Batch(np.zeros((1, 5, 5, 3), np.uint8)))
    engine.close()


def test_on_cpu_there_is_a_batch_for_every_core(bundle: Bundle) -> None:
    """Unless told otherwise."""
    assert open_engine(bundle, EngineOptions(cores=6)).concurrency == 6
    assert open_engine(bundle, EngineOptions(cores=6, threads_per_batch=4)).concurrency == 1
    assert open_engine(bundle, EngineOptions(cores=6, concurrency=3)).concurrency == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"input": Input(colour=Colour.L, height=SIDE, width=SIDE)},
        {"input": Input(colour=Colour.RGB, height=SIDE, width=SIDE + 1)},
        {"labels": ("a", "b")},
    ],
)
def test_a_graph_that_does_not_fit_its_manifest_is_refused(bundle: Bundle, changes: dict[str, object]) -> None:
    """Input shape and number of classes."""
    with pytest.raises(EngineRejected, match="manifest says|should be"):
        open_engine(bundle, None, **changes)


def test_a_damaged_model_file_is_refused(bundle: Bundle, caplog: pytest.LogCaptureFixture) -> None:
    """Clients see the kind of reason; onnxruntime's own words, with the path on this machine, are in the log."""
    (bundle.path / "model.onnx").write_bytes(b"not a protobuf")
    with pytest.raises(EngineRejected, match=r"^onnxruntime cannot load model.onnx \(InvalidProtobuf\)") as refused:
        open_engine(bundle)
    assert str(bundle.path) not in str(refused.value)
    assert str(bundle.path / "model.onnx") in caplog.text


@pytest.mark.skipif("cuda" in installed_providers(), reason="onnxruntime-gpu is installed")
def test_a_missing_provider_is_refused_when_strict(bundle: Bundle) -> None:
    """Strict is the default for anything but the CPU; the message names both ways out."""
    with pytest.raises(EngineRejected, match=r"cuda was asked for.*SNELLEN_PROVIDERS=cpu or SNELLEN_STRICT=false"):
        open_engine(bundle, EngineOptions(providers=("cuda", "cpu")))
    assert open_engine(bundle, EngineOptions(providers=("cuda", "cpu"), strict=False)).provider == "cpu"


def test_golden_images_prove_the_engine(bundle: Bundle) -> None:
    """The bundle's own probabilities are met."""
    assert check_golden(bundle, open_verified(bundle, EngineOptions())) < 1e-6


def test_an_engine_that_computes_something_else_is_refused(bundle: Bundle) -> None:
    """The difference and the tolerance are in the message."""
    (bundle.path / "golden/red.png").write_bytes(picture(BLUE))
    with pytest.raises(EngineRejected, match=r"golden image golden/red.png: a probability is off by 0\.9"):
        check_golden(bundle, open_engine(bundle))


def test_an_engine_that_answers_nan_is_refused(bundle: Bundle) -> None:
    """Not a number is not within any tolerance."""
    replace_constant(bundle.path / "model.onnx", "scale", np.nan)
    with pytest.raises(EngineRejected, match="off by nan"):
        check_golden(bundle, open_engine(bundle))


def test_a_golden_image_that_is_none_is_named(bundle: Bundle) -> None:
    """Pillow's exceptions do not travel further."""
    (bundle.path / "golden/red.png").write_bytes(b"not a picture")
    with pytest.raises(EngineRejected, match="^golden image golden/red.png cannot be decoded"):
        check_golden(bundle, open_engine(bundle))


def test_golden_rows_that_cannot_be_read_are_named(bundle: Bundle) -> None:
    """Without the path on this machine."""
    (bundle.path / "golden/probabilities.json").unlink()
    with pytest.raises(EngineRejected, match="^golden/probabilities.json cannot be read: No such file or directory$"):
        check_golden(bundle, open_engine(bundle))


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
        check_golden(bundle, open_engine(bundle))


def test_a_changed_file_never_reaches_onnxruntime(bundle: Bundle) -> None:
    """Hashes come first."""
    (bundle.path / "model.onnx").write_bytes(b"something else")
    with pytest.raises(EngineRejected, match="model.onnx differs"):
        open_verified(bundle, EngineOptions())


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="not Linux")
def test_warm_up_on_a_cpu_keeps_no_memory() -> None:
    """After the warm-up, the memory that its largest batch took is free again."""

    def resident_bytes() -> int:
        return_free_memory()
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

    bundle = read_bundle(Path("models/imagenet/1"))
    engine = open_engine(bundle)
    before = resident_bytes()
    engine.warm_up([Batch(np.zeros((16, *bundle.manifest.input.shape), np.uint8))])
    assert resident_bytes() < before + 50 * 2**20
    engine.run(Batch(np.zeros((16, *bundle.manifest.input.shape), np.uint8)))
    assert resident_bytes() > before + 50 * 2**20
    engine.close()
