"""The engine runs batches of any size, and translates the errors of onnxruntime."""

import resource
from pathlib import Path

import numpy as np
import pytest

from models.contract import Bundle, read_bundle
from service.engine.onnx_engine import OnnxEngine
from service.engine.providers import EngineOptions
from service.errors import EngineFailure
from service.heap import return_free_memory
from service.types import Batch
from tests.support.bundles import SIDE, write_bundle


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
