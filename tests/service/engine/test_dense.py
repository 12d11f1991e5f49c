"""The engine with images of any size."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from models.contract import Bundle, read_bundle
from service.engine.engines import LocalEngine, open_engine
from service.engine.providers import EngineOptions
from service.engine.session import EngineRejected
from service.engine.verification import open_verified
from service.errors import EngineFailure
from service.types import Batch
from tests.support.bundles import SIDE, replace_constant, write_bundle
from tests.support.dense import DENSE, noise, write_dense_bundle
from tests.support.libraries import LIBRARIES

pytestmark = pytest.mark.parametrize("library", LIBRARIES)


def opened(bundle: Bundle, library: str, **changes: object) -> LocalEngine:
    manifest = bundle.manifest.model_copy(update=changes)
    return open_engine(bundle.path / "model.onnx", manifest, EngineOptions((library,)))


async def test_an_image_of_any_size_is_run(library: str, tmp_path: Path) -> None:
    """Its class map grows with it; batches of the input's size are run as ever."""
    engine = open_verified(read_bundle(write_dense_bundle(tmp_path)), EngineOptions((library,)))
    answer = await engine.predict_dense(noise(SIDE + 10, SIDE + 20))
    assert (answer.probabilities.shape, answer.logits.shape, answer.class_map.shape) == ((3,), (3,), (3, 10, 15))
    assert engine.run(Batch(noise(SIDE, SIDE)[None])).probabilities.shape == (1, 3)
    engine.close()


async def test_a_cancelled_run_ends_early(library: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The thread is free for the next image, and nothing is reported as a failure."""
    engine = opened(read_bundle(write_dense_bundle(tmp_path, channels=64)), library)
    run = asyncio.create_task(engine.predict_dense(noise(1500, 1500)))
    await asyncio.sleep(0.05)
    run.cancel()
    answer = await engine.predict_dense(noise(SIDE, SIDE))
    assert answer.class_map.shape == (3, *DENSE.window)
    assert run.cancelled()
    assert not caplog.text
    engine.close()


async def test_an_image_below_the_networks_field_is_an_engine_failure(library: str, tmp_path: Path) -> None:
    """The library's exceptions do not travel further."""
    engine = opened(read_bundle(write_dense_bundle(tmp_path)), library)
    with pytest.raises(EngineFailure):
        await engine.predict_dense(np.zeros((2, 2, 3), np.uint8))
    engine.close()


def test_a_manifest_with_dense_needs_a_graph_of_free_size(library: str, tmp_path: Path) -> None:
    """And the other way round."""
    fixed, free = read_bundle(write_bundle(tmp_path)), read_bundle(write_dense_bundle(tmp_path))
    with pytest.raises(EngineRejected, match=r"height and width of the graph's input are not free: \[16, 16\]"):
        opened(fixed, library, dense=DENSE)
    with pytest.raises(EngineRejected, match="the graph's inputs are"):
        opened(free, library, dense=None)


async def test_an_answer_that_is_no_number_is_an_engine_failure(library: str, tmp_path: Path) -> None:
    """As JSON it would be none."""
    bundle = read_bundle(write_dense_bundle(tmp_path))
    replace_constant(bundle.path / "model.onnx", "bias", [0, np.inf, 0])
    engine = opened(bundle, library)
    with pytest.raises(EngineFailure, match="NaN or infinity"):
        await engine.predict_dense(noise(SIDE, SIDE))
    engine.close()
