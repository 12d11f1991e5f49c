"""Padding to prepared batch sizes, and buffers that stay: what a GPU needs, tried with the CPU's provider."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.contract import Bundle, Precision, read_bundle
from service.engine.batch_sizes import padded, padded_size, prepared_sizes
from service.engine.io_binding import IoBindingPool, pin
from service.engine.providers import EngineOptions, options_of, with_options
from service.engine.session import open_session
from tests.support.bundles import SIDE, write_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return read_bundle(write_bundle(tmp_path))


@pytest.fixture
def session(bundle: Bundle) -> ort.InferenceSession:
    return open_session(bundle.path / "model.onnx", bundle.manifest, EngineOptions()).opened


def images(count: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    """Random pixels, the same for the same count."""
    return np.random.default_rng(count).integers(0, 256, (count, SIDE, SIDE, 3)).astype(np.uint8)


@given(st.integers(1, 300), st.data())
def test_every_batch_has_its_bucket(largest: int, data: st.DataObject) -> None:
    """Ascending, ending with the largest, and never twice as large as needed, or more."""
    sizes, count = prepared_sizes(largest), data.draw(st.integers(1, largest))
    assert sizes[-1] == largest
    assert list(sizes) == sorted(set(sizes))
    assert count <= padded_size(count, sizes) < 2 * count or count == 1


def test_a_batch_is_padded_to_its_bucket() -> None:
    """A batch that fills one is not copied; larger ones than any stay as they are."""
    assert padded(images(3), (1, 2, 4)).shape[0] == 4
    whole = images(4)
    assert padded(whole, (1, 2, 4)) is whole
    assert padded(images(5), (1, 2, 4)).shape[0] == 5


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
def test_bound_buffers_answer_as_a_plain_run_does(session: ort.InferenceSession, count: int) -> None:
    """Also after a larger batch has left its pixels behind."""
    binding = IoBindingPool(session, "cpu", (SIDE, SIDE, 3), 3, prepared_sizes(8))
    binding.run(images(8), ort.RunOptions())
    expected = session.run(["probabilities"], {"image": images(count)})[0]
    np.testing.assert_array_equal(binding.run(images(count), ort.RunOptions()), expected)
    binding.close()


def test_callers_do_not_share_buffers(session: ort.InferenceSession) -> None:
    """Each gets the rows of its own images, however many run at a time."""
    binding = IoBindingPool(session, "cpu", (SIDE, SIDE, 3), 3, prepared_sizes(8))
    counts = [1 + number % 8 for number in range(200)]
    with ThreadPoolExecutor(4) as callers:
        rows = list(callers.map(lambda count: binding.run(images(count), ort.RunOptions()), counts))
    for count, row in zip(counts, rows, strict=True):
        expected = session.run(["probabilities"], {"image": images(count)})[0]
        np.testing.assert_array_equal(row, expected)


def test_answers_outlive_the_buffers_next_batch(session: ort.InferenceSession) -> None:
    """Rows are copies."""
    binding = IoBindingPool(session, "cpu", (SIDE, SIDE, 3), 3, (2,))
    first = binding.run(images(2), ort.RunOptions())
    kept = first.copy()
    binding.run(255 - images(2), ort.RunOptions())
    np.testing.assert_array_equal(first, kept)


def test_what_does_not_fit_is_left_to_a_plain_run(session: ort.InferenceSession) -> None:
    """More images than the largest size, or images of another one."""
    binding = IoBindingPool(session, "cpu", (SIDE, SIDE, 3), 3, (1, 2))
    assert binding.fits(images(2))
    assert not binding.fits(images(3))
    assert not binding.fits(np.zeros((1, SIDE + 1, SIDE, 3), np.uint8))


@pytest.mark.skipif("CUDAExecutionProvider" in ort.get_available_providers(), reason="CUDA is installed")
def test_without_cuda_pages_are_not_locked() -> None:
    """And nothing fails."""
    assert not pin(np.zeros((1, SIDE, SIDE, 3), np.uint8))


def test_float32_stays_float32_on_a_gpu() -> None:
    """TF32 is for those who let the precision be chosen."""
    assert options_of("cuda", (8, 8, 3), EngineOptions())["use_tf32"] == "0"
    assert options_of("cuda", (8, 8, 3), EngineOptions(tf32=True))["use_tf32"] == "1"


def test_tensorrt_is_told_all_batch_sizes_and_where_to_keep_its_engine(tmp_path: Path) -> None:
    """One engine from one image to the largest batch; CUDA takes what TensorRT leaves."""
    fp16 = EngineOptions(precision=Precision.FP16, largest=32, tensorrt_cache=tmp_path)
    (name, options), (second, _) = with_options(["tensorrt"], (8, 9, 3), fp16)
    assert (name, second) == ("TensorrtExecutionProvider", "CUDAExecutionProvider")
    assert options["trt_profile_min_shapes"] == "image:1x8x9x3"
    assert options["trt_profile_max_shapes"] == "image:32x8x9x3"
    assert (options["trt_fp16_enable"], options["trt_int8_enable"]) == ("1", "0")
    assert options["trt_engine_cache_path"] == str(tmp_path)
