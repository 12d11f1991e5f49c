"""Sessions of onnxruntime: opened as the options say, or rejected with a reason."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from models.contract import LOGITS, PROBABILITIES, Bundle, Colour, Input, read_bundle
from service.engine.providers import EngineOptions
from service.engine.session import EngineRejected, Session, all_providers, installed_providers, open_session
from tests.support.bundles import SIDE, write_bundle
from tests.support.dense import write_dense_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return read_bundle(write_bundle(tmp_path))


def opened(bundle: Bundle, options: EngineOptions | None = None, **changes: object) -> Session:
    """Open the graph of a bundle. changes: of its manifest."""
    manifest = bundle.manifest.model_copy(update=changes)
    return open_session(bundle.path / "model.onnx", manifest, options or EngineOptions())


@pytest.mark.parametrize(
    "changes",
    [
        {"input": Input(colour=Colour.L, height=SIDE, width=SIDE)},
        {"input": Input(colour=Colour.RGB, height=SIDE, width=SIDE + 1)},
        {"labels": ("a", "b")},
    ],
)
def test_a_graph_that_does_not_fit_its_manifest_is_refused(bundle: Bundle, changes: dict[str, object]) -> None:
    """The shape of the input and the number of classes are compared with the manifest when the graph is opened."""
    with pytest.raises(EngineRejected, match="manifest says|should be"):
        opened(bundle, None, **changes)


def test_a_damaged_model_file_is_refused(bundle: Bundle, caplog: pytest.LogCaptureFixture) -> None:
    """Clients see the kind of reason; onnxruntime's own words, with the path on this machine, are in the log."""
    (bundle.path / "model.onnx").write_bytes(b"not a protobuf")
    with pytest.raises(EngineRejected, match=r"^onnxruntime cannot load model.onnx \(InvalidProtobuf\)") as refused:
        opened(bundle)
    assert str(bundle.path) not in str(refused.value)
    assert str(bundle.path / "model.onnx") in caplog.text


@pytest.mark.skipif("cuda" in installed_providers(), reason="onnxruntime-gpu is installed")
def test_a_missing_provider_is_refused_when_strict(bundle: Bundle) -> None:
    """Strict is the default for anything but the CPU; the message names both ways out."""
    with pytest.raises(EngineRejected, match=r"cuda was asked for.*SNELLEN_PROVIDERS=cpu or SNELLEN_STRICT=false"):
        opened(bundle, EngineOptions(providers=("cuda", "cpu")))
    assert opened(bundle, EngineOptions(providers=("cuda", "cpu"), strict=False)).provider == "cpu"


def _without_logits(graph: onnx.GraphProto) -> None:
    del graph.output[1]


def _another_input(graph: onnx.GraphProto) -> None:
    graph.input.append(onnx.helper.make_tensor_value_info("mask", onnx.TensorProto.BOOL, ["N"]))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_without_logits, r"^output logits should be float32 \[N, 3, ...\]: "),
        (_another_input, r"^the graph's inputs are .*'mask'.*, the manifest says \{'image': .*\}$"),
    ],
)
def test_a_graph_with_other_tensors_is_refused(
    bundle: Bundle, change: Callable[[onnx.GraphProto], None], reason: str
) -> None:
    """A missing output and a further input are each named in the reason."""
    model = onnx.load(bundle.path / "model.onnx")
    change(model.graph)
    onnx.save(model, bundle.path / "model.onnx")
    with pytest.raises(EngineRejected, match=reason):
        opened(bundle)


def test_thread_options_are_applied(bundle: Bundle) -> None:
    """A run uses `threads_per_batch` threads, and the threads stop spinning between runs where that is wanted."""
    key = "session.force_spinning_stop"
    settings = opened(bundle, EngineOptions(threads_per_batch=3, stop_spinning=True)).opened.get_session_options()
    assert (settings.intra_op_num_threads, settings.inter_op_num_threads) == (3, 1)
    assert settings.get_session_config_entry(key) == "1"
    with pytest.raises(RuntimeError, match=key):  # onnxruntime's answer for an entry that was not set
        opened(bundle).opened.get_session_options().get_session_config_entry(key)


def test_no_memory_plan_is_kept_for_images_of_any_size(bundle: Bundle, tmp_path: Path) -> None:
    """A memory plan per input size saves time only where all images have one size."""
    dense = read_bundle(write_dense_bundle(tmp_path))
    assert opened(bundle).opened.get_session_options().enable_mem_pattern
    assert not opened(dense).opened.get_session_options().enable_mem_pattern


def test_outputs_are_returned_in_the_order_of_their_names(bundle: Bundle) -> None:
    """The rows are float32 [N, K] of the outputs that were asked for."""
    images = np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 3)).astype(np.uint8)
    logits, probabilities = opened(bundle).run([LOGITS, PROBABILITIES], images, ort.RunOptions())
    assert {(rows.shape, rows.dtype.name) for rows in (logits, probabilities)} == {((2, 3), "float32")}
    np.testing.assert_allclose(logits, images.mean((1, 2)) * 10 / 255, rtol=1e-5)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)


def test_the_cpu_is_always_installed_and_comes_last() -> None:
    """Providers are in the order in which they are tried, so the slowest is the last."""
    assert installed_providers()[-1] == all_providers()[-1] == "cpu"
    assert set(installed_providers()) <= set(all_providers())
