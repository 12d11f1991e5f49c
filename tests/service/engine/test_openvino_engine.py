"""The engine of OpenVINO answers as that of onnxruntime, in the numbers that were asked for."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from models.contract import Bundle, Manifest, Pixels, Precision, Task, openvino_library, read_bundle
from service.engine.engines import LocalEngine, obstacle
from service.engine.openvino_engine import OpenVinoEngine
from service.engine.openvino_models import ANY_SIZE
from service.engine.providers import EngineOptions
from service.engine.session import EngineRejected
from service.engine.verification import check_golden, open_verified
from service.errors import EngineFailure
from service.types import Batch
from tests.support.bundles import SIDE, change_manifest, colour_graph, write_bundle
from tests.support.dense import noise, write_dense_bundle
from tests.support.libraries import needs_openvino, opened

pytestmark = needs_openvino
SHIPPED = [
    (f"{folder.parent.name}/{folder.name}", variant.precision)
    for folder in sorted(Path("models").glob("*/[0-9]*"))
    for variant in read_bundle(folder).manifest.variants
]
FP32 = 2e-5
"""Limit of the difference of a probability between two libraries in float32."""


def options(**changes: object) -> EngineOptions:
    return EngineOptions(("openvino",), **{"largest": 32, **changes})  # type: ignore[arg-type]


def both(bundle: Bundle, precision: Precision = Precision.FP32) -> tuple[LocalEngine, LocalEngine]:
    """Open a variant with OpenVINO and with onnxruntime."""
    graph = str(bundle.model_path(precision).relative_to(bundle.path))
    return opened(bundle, options(precision=precision), graph), opened(
        bundle, EngineOptions(("cpu",), precision=precision), graph
    )


def random_images(count: int, shape: tuple[int, ...] = (SIDE, SIDE, 3)) -> Pixels:
    return np.random.default_rng(count).integers(0, 256, (count, *shape)).astype(np.uint8)


def compiled_sizes(engine: OpenVinoEngine) -> set[int]:
    return {*engine._models._open}


@pytest.mark.parametrize(("name", "precision"), SHIPPED)
def test_shipped_variants_reproduce_their_golden_images(name: str, precision: Precision) -> None:
    """Each within the tolerance of its manifest, and fp32 as closely as onnxruntime does on the same pixels."""
    if reason := obstacle(precision, ("openvino",)):
        pytest.skip(reason)
    bundle = read_bundle(Path("models", name))
    engine = open_verified(bundle, options(precision=precision))
    worst = check_golden(bundle, engine, precision)
    engine.close()
    if precision is Precision.FP32:
        reference = open_verified(bundle, EngineOptions(("cpu",)))
        assert worst == pytest.approx(check_golden(bundle, reference), abs=FP32)
        reference.close()
    assert worst <= bundle.tolerance(precision)


@pytest.mark.parametrize("count", [1, 3, 7, 13])
@pytest.mark.parametrize("write", [write_bundle, write_dense_bundle])
@pytest.mark.parametrize("task", Task)
def test_batches_of_any_size_have_the_answers_of_onnxruntime(
    tmp_path: Path, write: Callable[..., Path], task: Task, count: int
) -> None:
    """Divided into runs, padded, with and without class maps; probabilities, class maps and energies are the same."""
    energy = -8 if task is Task.SINGLE else None
    engine, reference = both(read_bundle(write(tmp_path, task=task, energy_threshold=energy)))
    for class_map in (False, True):
        batch = Batch(random_images(count), class_map)
        for ours, theirs in zip(engine.run(batch), reference.run(batch), strict=True):
            assert (ours is None) == (theirs is None)
            if ours is not None and theirs is not None:
                assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
                np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=FP32)
    engine.close()
    reference.close()


def test_images_of_any_size_have_the_answers_of_onnxruntime(tmp_path: Path) -> None:
    """Probabilities, logits, class map and energy."""
    engine, reference = both(read_bundle(write_dense_bundle(tmp_path, energy_threshold=-2)))
    for height, width in ((SIDE, SIDE), (50, 31), (20, 90)):
        ours, theirs = engine.run_dense(noise(height, width)), reference.run_dense(noise(height, width))
        for name in ours._fields:
            np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-4, atol=FP32)
    engine.close()
    reference.close()


def test_weights_outside_the_file_are_read(tmp_path: Path) -> None:
    """OpenVINO finds them beside the ONNX file, as onnxruntime does."""
    bundle = read_bundle(write_dense_bundle(tmp_path))
    path = bundle.path / "model.onnx"
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="weights.data", size_threshold=64)
    assert (bundle.path / "weights.data").stat().st_size > 1000
    engine, reference = both(bundle)
    np.testing.assert_allclose(
        engine.run(Batch(random_images(3))).probabilities,
        reference.run(Batch(random_images(3))).probabilities,
        atol=FP32,
    )
    engine.close()
    reference.close()


def test_a_graph_for_one_image_at_a_time_is_run_image_by_image(tmp_path: Path) -> None:
    """Where the manifest has `max_batch` 1, nothing is compiled for more, class maps included."""
    graph = colour_graph()
    for tensor in (*graph.graph.input, *graph.graph.output):
        tensor.type.tensor_type.shape.dim[0].dim_value = 1
    folder = write_bundle(tmp_path, graph=graph)
    change_manifest(folder, max_batch=1)
    bundle = read_bundle(folder)
    engine = opened(bundle, options())
    for class_map in (False, True):
        answer = engine.run(Batch(random_images(9), class_map))
        alone = engine.run(Batch(random_images(9)[4:5], class_map))
        np.testing.assert_allclose(answer.probabilities[4], alone.probabilities[0], atol=1e-6)
        assert (answer.class_map is not None) == class_map
    assert engine.sizes == (1,)
    engine.close()


def test_two_batch_sizes_are_compiled_at_most(tmp_path: Path) -> None:
    """And the class map's model when it is first needed; the warm-up releases it again."""
    engine = OpenVinoEngine(*_graph(tmp_path), options())
    assert compiled_sizes(engine) == {1}
    engine.run(Batch(random_images(3)))
    assert compiled_sizes(engine) == {1}
    for count in (4, 13, 32, 7):
        engine.run(Batch(random_images(count)))
    assert compiled_sizes(engine) == {*engine.sizes} == {1, 4}
    engine.run(Batch(random_images(2), class_map=True))
    assert compiled_sizes(engine) == {1, 4, ANY_SIZE}
    engine.warm_up([Batch(random_images(1)), Batch(random_images(4)), Batch(random_images(1), class_map=True)])
    assert compiled_sizes(engine) == {1, 4}
    engine.close()


def test_a_service_of_single_images_keeps_no_model_for_batches(tmp_path: Path) -> None:
    """Tuning compiled it to measure it; the warm-up of the chosen batch sizes releases it."""
    engine = OpenVinoEngine(*_graph(tmp_path), options())
    engine.run(Batch(random_images(4)))
    engine.warm_up([Batch(random_images(1))])
    assert compiled_sizes(engine) == {1}
    engine.close()


def _graph(tmp_path: Path) -> tuple[Path, Manifest]:
    bundle = read_bundle(write_bundle(tmp_path))
    return bundle.path / "model.onnx", bundle.manifest


@pytest.mark.parametrize(("precision", "expected"), [(Precision.FP32, "f32"), (Precision.BF16, "bf16")])
def test_every_model_computes_in_the_precision_that_was_asked_for(
    tmp_path: Path, precision: Precision, expected: str
) -> None:
    """On processors with AMX the library's own default for a float32 graph would be bfloat16."""
    if not openvino_library.computes(precision):
        pytest.skip("the processor has no instructions for bfloat16")
    bundle = read_bundle(write_dense_bundle(tmp_path))
    engine = OpenVinoEngine(
        bundle.path / "model.onnx", bundle.manifest, options(precision=precision, compiled=tmp_path)
    )
    engine.run(Batch(random_images(8), class_map=True))
    engine.run(Batch(random_images(8)))
    again = OpenVinoEngine(bundle.path / "model.onnx", bundle.manifest, options(precision=precision, compiled=tmp_path))
    for opened_engine, sizes in ((engine, (1, 4, ANY_SIZE)), (again, (1,))):
        used = [
            opened_engine._models.get(size).compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
            for size in sizes
        ]
        assert used == [expected] * len(sizes)
        opened_engine.close()


def test_streams_and_threads_are_as_asked_for_and_not_pinned(tmp_path: Path) -> None:
    """Pinned, every process would take the same first cores."""
    engine = OpenVinoEngine(*_graph(tmp_path), options(cores=2))
    compiled = engine._models.get(1).compiled
    names = ("NUM_STREAMS", "INFERENCE_NUM_THREADS", "ENABLE_CPU_PINNING")
    assert [compiled.get_property(name) for name in names] == [2, 2, False]
    assert (engine.concurrency, engine.threads_per_batch) == (2, 1)
    engine.close()


def test_bfloat16_is_near_float32(tmp_path: Path) -> None:
    """The graph is that of fp32; the probabilities differ, by less than bfloat16 rounds."""
    if not openvino_library.computes(Precision.BF16):
        pytest.skip("the processor has no instructions for bfloat16")
    bundle = read_bundle(write_dense_bundle(tmp_path, channels=64))
    exact, rounded = (opened(bundle, options(precision=each)) for each in (Precision.FP32, Precision.BF16))
    batch = Batch(random_images(8))
    difference = np.abs(exact.run(batch).probabilities - rounded.run(batch).probabilities).max()
    assert 0 < difference < 0.02
    exact.close()
    rounded.close()


async def test_a_cancelled_batch_ends_early(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The thread is free for the next batch, and nothing is reported as a failure."""
    bundle = read_bundle(write_dense_bundle(tmp_path, channels=64))
    engine, began = opened(bundle, options()), threading.Event()
    images = random_images(20_000)

    def make() -> Batch:
        began.set()
        return Batch(images)

    run = asyncio.create_task(engine.predict(make))
    await asyncio.to_thread(began.wait)
    run.cancel()
    answer = await engine.predict(lambda: Batch(random_images(1)))
    assert answer.probabilities.shape == (1, 3)
    assert run.cancelled()
    assert not caplog.text
    engine.close()


def test_read_only_images_are_run_too(tmp_path: Path) -> None:
    """OpenVINO takes no address of memory that cannot be written, so they are copied."""
    engine = OpenVinoEngine(*_graph(tmp_path), options())
    images = random_images(1)
    expected = engine.run(Batch(images)).probabilities
    images.flags.writeable = False
    np.testing.assert_array_equal(engine.run(Batch(images)).probabilities, expected)
    engine.close()


def test_answers_keep_their_values_when_the_next_batch_is_run(tmp_path: Path) -> None:
    """They are copies: a request of the library is used again."""
    engine = OpenVinoEngine(*_graph(tmp_path), options())
    first = engine.run(Batch(random_images(1))).probabilities
    kept = first.copy()
    engine.run(Batch(random_images(3)))
    np.testing.assert_array_equal(first, kept)
    engine.close()


def test_class_maps_and_dense_images_at_the_same_time(tmp_path: Path) -> None:
    """The memory of a dense image is released while another thread computes class maps with the same model."""
    engine, reference = both(read_bundle(write_dense_bundle(tmp_path)))
    batch, image = Batch(random_images(3), class_map=True), noise(60, 60)
    expected: Any = reference.run(batch).class_map
    expected_dense = reference.run_dense(image).class_map
    found: list[Any] = []

    def maps() -> None:
        found.extend(engine.run(batch).class_map for _ in range(50))

    thread = threading.Thread(target=maps)
    thread.start()
    for _ in range(50):
        np.testing.assert_allclose(engine.run_dense(image).class_map, expected_dense, rtol=1e-4, atol=FP32)
    thread.join()
    assert len(found) == 50
    for class_map in found:
        np.testing.assert_allclose(class_map, expected, rtol=1e-4, atol=FP32)
    engine.close()
    reference.close()


def test_a_single_image_can_have_more_threads(tmp_path: Path) -> None:
    """A batch that is the only request runs on the other engine, with the same answer; both are closed together."""
    bundle = read_bundle(write_bundle(tmp_path, energy_threshold=-8))
    engine = opened(bundle, options())
    engine.add_latency_session(opened(bundle, options(threads_per_batch=2)))
    assert engine.single_image_threads == 2
    ordinary, alone = (engine.run(Batch(random_images(1), only_request=only)) for only in (False, True))
    np.testing.assert_allclose(alone.probabilities, ordinary.probabilities, atol=1e-6)
    assert alone.energies is not None
    engine.close()


def test_a_damaged_model_file_is_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Clients see the kind of reason; OpenVINO's own words, with the path on this machine, are in the log."""
    path, manifest = _graph(tmp_path)
    path.write_bytes(b"not a protobuf")
    with pytest.raises(EngineRejected, match=r"^OpenVINO cannot load model.onnx \(RuntimeError\)") as refused:
        OpenVinoEngine(path, manifest, options())
    assert str(path.parent) not in str(refused.value)
    assert str(path) in caplog.text


def test_images_of_another_shape_are_an_engine_failure(tmp_path: Path) -> None:
    """OpenVINO's exceptions do not travel further."""
    engine = OpenVinoEngine(*_graph(tmp_path), options())
    for count in (1, 7, 4):
        with pytest.raises(EngineFailure):
            engine.run(Batch(np.zeros((count, 5, 5, 3), np.uint8)))
    engine.close()


def test_memory_does_not_grow_with_the_number_of_batches(tmp_path: Path) -> None:
    """1,000 batches of changing sizes take no more memory than the first ones."""

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    if not Path("/proc/self/statm").exists():
        pytest.skip("not Linux")
    engine = OpenVinoEngine(*_graph(tmp_path), options())
    for count in range(1, 33):
        engine.run(Batch(random_images(count)))
    before = resident()
    for number in range(1000):
        engine.run(Batch(random_images(1 + number % 32)))
    assert resident() < before + 8 * 2**20
    engine.close()
