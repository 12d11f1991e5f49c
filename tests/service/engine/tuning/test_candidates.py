"""Which configurations are tried, and what their timings say."""

import json
from pathlib import Path

import pytest

from models.contract import Bundle, Precision, read_bundle
from service.engine.engines import every_provider
from service.engine.providers import EngineOptions
from service.engine.tuning.candidates import Candidate, TuningOptions, candidates_of
from service.engine.verification import open_verified
from tests.support.bundles import change_manifest, write_bundle
from tests.support.libraries import needs_openvino


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return read_bundle(write_bundle(tmp_path_factory.mktemp("models")))


def on_cpu(bundle: Bundle, cores: int, **given: int) -> list[tuple[int, int]]:
    """Batches at a time and threads of each."""
    found = candidates_of(bundle, TuningOptions(("cpu",), cores=cores, **given))  # type: ignore[arg-type]
    return [(each.options.concurrency, each.options.threads_per_batch) for each in found]


def on_cuda(bundle: Bundle, concurrency: int = 0, *, cuda_graph: bool = False) -> list[tuple[int, int]]:
    """Batches at a time and threads of each; nothing is opened, so that no device is needed."""
    found = [each.options for each in candidates_of(bundle, TuningOptions(("cuda",), concurrency=concurrency))]
    return [(each.concurrency, each.threads_per_batch) for each in found if each.cuda_graph == cuda_graph]


def test_shapes_occupy_the_cores(bundle: Bundle) -> None:
    """From many callers of one thread to one caller of many."""
    assert on_cpu(bundle, 1) == [(1, 1)]
    assert on_cpu(bundle, 2) == [(2, 1), (1, 2)]
    assert on_cpu(bundle, 6) == [(6, 1), (3, 2), (1, 4), (1, 6)]
    assert on_cpu(bundle, 16) == [(16, 1), (8, 2), (4, 4), (2, 8), (1, 16)]


def test_numbers_that_were_given_are_kept_to(bundle: Bundle) -> None:
    """Also when they are more than the cores."""
    assert on_cpu(bundle, 8, concurrency=4) == [(4, 1), (4, 2)]
    assert on_cpu(bundle, 8, threads_per_batch=4) == [(2, 4)]
    assert on_cpu(bundle, 2, concurrency=5, threads_per_batch=3) == [(5, 3)]
    assert on_cuda(bundle, 3) == [(3, 1)]


def test_cuda_graphs_have_one_caller(bundle: Bundle) -> None:
    """They are not for several threads."""
    assert on_cuda(bundle) == [(1, 1), (2, 1)]
    assert on_cuda(bundle, cuda_graph=True) == [(1, 1)]
    assert on_cuda(bundle, 2, cuda_graph=True) == []


def candidate() -> Candidate:
    return Candidate(EngineOptions(("cpu",), concurrency=2), [1, 2, 4])


def test_a_single_slow_window_says_nothing_of_a_larger_batch() -> None:
    """It takes no longer than smaller ones in a row, whichever was timed first."""
    timed = candidate()
    for size, seconds in ((2, 0.030), (1, 0.011), (4, 0.070), (3, 0.050)):
        timed.add(size, seconds)
    assert timed.seconds == pytest.approx({1: 0.011, 2: 0.022, 3: 0.033, 4: 0.044})


def test_many_slow_windows_are_believed() -> None:
    """A batch may be too large for a cache."""
    timed = candidate()
    timed.add(1, 0.011)
    for _ in range(5):
        timed.add(2, 0.030)
    assert timed.seconds[2] == pytest.approx(0.030)


def test_without_a_wish_every_library_for_the_cpu_is_tried(bundle: Bundle) -> None:
    """They compute the same in float32; where CUDA is installed, nothing else is."""
    lists = {each.options.providers for each in candidates_of(bundle, TuningOptions())}
    installed = every_provider()
    if "cuda" in installed:
        assert lists == {("cuda", "cpu")}
    else:
        assert lists == {(name,) for name in ("cpu", "openvino") if name in installed}


@needs_openvino
def test_bfloat16_is_tried_on_openvino_only(tmp_path: Path) -> None:
    """onnxruntime would run the graph in float32. Where it is asked for and impossible, the engine says why."""
    folder = write_bundle(tmp_path)
    manifest = json.loads((folder / "manifest.json").read_text())
    bf16 = manifest["variants"][0] | {"precision": "bf16"}
    change_manifest(folder, variants=[*manifest["variants"], bf16])
    bundle = read_bundle(folder)
    found = [each.variant for each in candidates_of(bundle, TuningOptions(("auto",), precision=None))]
    assert ("bf16", "cpu") not in {(precision, provider) for precision, provider, _ in found}
    asked = candidates_of(bundle, TuningOptions(("cpu",), precision=Precision.BF16))
    assert [each.options.precision for each in asked] == [Precision.BF16]


def test_what_openvino_compiles_is_stored_for_one_bundle_and_library(bundle: Bundle, tmp_path: Path) -> None:
    """Another bundle, and no cache folder, have no folder in common with it; onnxruntime compiles nothing."""
    other = read_bundle(write_bundle(tmp_path / "models", "other"))

    def folder(of: Bundle, provider: str, cache: Path | None) -> Path | None:
        return candidates_of(of, TuningOptions((provider,), cache=cache))[0].options.compiled

    found = folder(bundle, "openvino", tmp_path)
    assert found is not None
    assert found.parent == tmp_path / "openvino"
    assert folder(other, "openvino", tmp_path) != found
    assert folder(bundle, "openvino", None) is folder(bundle, "cpu", tmp_path) is None


@needs_openvino
def test_batches_that_run_image_by_image_are_not_tried(bundle: Bundle) -> None:
    """OpenVINO has no model for batches of 2, so only noise could choose them."""
    wanted = TuningOptions(("openvino",), max_batch_size=16)
    (candidate,) = candidates_of(bundle, wanted)
    candidate.engine = open_verified(bundle, candidate.options)
    candidate.leave_out_unprepared()
    assert candidate.untried == [1, 4, 8, 16]
    candidate.close()
