"""The engine runs batches of any size, and translates the errors of onnxruntime."""

import resource
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from numpy.typing import NDArray

from models.contract import Bundle, Pixels, Precision, read_bundle
from service.engine.onnx_engine import OnnxEngine
from service.engine.providers import EngineOptions
from service.errors import EngineFailure
from service.heap import return_free_memory
from service.types import Batch
from tests.support.bundles import SIDE, write_bundle
from tests.support.dense import noise, write_dense_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return read_bundle(write_bundle(tmp_path))


def open_engine(bundle: Bundle, options: EngineOptions | None = None) -> OnnxEngine:
    return OnnxEngine(bundle.path / "model.onnx", bundle.manifest, options or EngineOptions())


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


def energies_in_numpy(engine: OnnxEngine, images: Pixels) -> NDArray[np.float64]:
    """Return the energies of uint8 [N, H, W, C] from the graph's logits."""
    logits = engine.session.opened.run(["logits"], {"image": images, **_no_class_map(engine)})[0]
    return np.asarray(-np.logaddexp.reduce(logits.astype(np.float64), axis=1))


def _no_class_map(engine: OnnxEngine) -> dict[str, object]:
    names = {each.name for each in engine.session.opened.get_inputs()}
    return {"class_map_wanted": np.array(False)} if "class_map_wanted" in names else {}


@pytest.mark.parametrize("class_map", [False, True])
@pytest.mark.parametrize("sizes", [(), (4,)], ids=["as it is", "padded"])
def test_with_a_threshold_each_image_has_its_energy(tmp_path: Path, sizes: tuple[int, ...], class_map: bool) -> None:
    """They are those of the graph's logits, also of a padded batch and with class maps."""
    engine = open_engine(read_bundle(write_bundle(tmp_path, energy_threshold=-8)))
    engine.sizes = sizes
    images = np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE, 3), np.uint8)
    prediction = engine.run(Batch(images, class_map))
    assert prediction.energies is not None
    assert prediction.energies.dtype == np.float32
    np.testing.assert_allclose(prediction.energies, energies_in_numpy(engine, images), rtol=1e-6)
    assert (prediction.class_map is not None) == class_map
    engine.close()


def test_the_single_image_session_computes_energies_too(tmp_path: Path) -> None:
    """A batch that is the only request has the same energy as in the ordinary session."""
    bundle = read_bundle(write_bundle(tmp_path, energy_threshold=-8))
    engine = open_engine(bundle)
    engine.add_latency_session(open_engine(bundle, EngineOptions(threads_per_batch=2)))
    images = np.full((1, SIDE, SIDE, 3), 90, np.uint8)
    ordinary, alone = (engine.run(Batch(images, only_request=only)).energies for only in (False, True))
    assert ordinary is not None
    assert alone is not None
    np.testing.assert_allclose(alone, ordinary, rtol=1e-6)
    engine.close()


@pytest.mark.parametrize("class_map", [False, True])
def test_without_a_threshold_logits_are_not_fetched(bundle: Bundle, class_map: bool) -> None:
    """There are no energies, and onnxruntime is not asked for the output."""
    engine = open_engine(bundle)
    fetched: list[str] = []
    run = engine.session.run

    def recording(names: Sequence[str], images: Pixels, options: ort.RunOptions) -> list[NDArray[np.float32]]:
        fetched.extend(names)
        return run(names, images, options)

    engine.session.run = recording  # type: ignore[method-assign]
    assert engine.run(Batch(np.zeros((2, SIDE, SIDE, 3), np.uint8), class_map)).energies is None
    assert fetched == ["probabilities", "class_map"][: 1 + class_map]
    engine.close()


def test_a_pruned_variant_has_no_energies(tmp_path: Path) -> None:
    """The threshold of fp32 does not hold for it."""
    bundle = read_bundle(write_bundle(tmp_path, energy_threshold=-8))
    engine = open_engine(bundle, EngineOptions(precision=Precision.PRUNED))
    assert engine.run(Batch(np.zeros((1, SIDE, SIDE, 3), np.uint8))).energies is None
    engine.close()


def test_an_image_of_any_size_has_an_energy(tmp_path: Path) -> None:
    """It is that of the logits of the whole image; without a threshold there is none."""
    with_threshold = open_engine(read_bundle(write_dense_bundle(tmp_path, energy_threshold=-2)))
    without = open_engine(read_bundle(write_dense_bundle(tmp_path, "without")))
    image = noise(30, 40)
    energy = with_threshold.run_dense(image).energy
    assert energy == pytest.approx(energies_in_numpy(with_threshold, image[None])[0], rel=1e-6)
    assert without.run_dense(image).energy is None
    for engine in (with_threshold, without):
        engine.close()
