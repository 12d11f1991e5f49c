"""Permanent buffers for each batch size, as a GPU needs them, run here with the CPU's provider."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from models.contract import Bundle, read_bundle
from service.engine.batch_sizes import prepared_sizes
from service.engine.io_binding import IoBindingPool, pin
from service.engine.providers import EngineOptions
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


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
def test_bound_buffers_answer_as_a_plain_run_does(session: ort.InferenceSession, count: int) -> None:
    """Also after a larger batch has left its pixels behind."""
    binding = IoBindingPool(session, "cpu", (SIDE, SIDE, 3), 3, prepared_sizes(8))
    binding.run(images(8), ort.RunOptions())
    expected = session.run(["probabilities"], {"image": images(count)})[0]
    (rows,) = binding.run(images(count), ort.RunOptions())
    np.testing.assert_array_equal(rows, expected)
    binding.close()


@pytest.mark.parametrize("count", [1, 3])
def test_several_outputs_are_bound_at_a_time(session: ort.InferenceSession, count: int) -> None:
    """Each has its own rows, in the order of the names."""
    names = ("probabilities", "logits")
    binding = IoBindingPool(session, "cpu", (SIDE, SIDE, 3), 3, prepared_sizes(8), outputs=names)
    binding.run(images(8), ort.RunOptions())
    found = binding.run(images(count), ort.RunOptions())
    for rows, expected in zip(found, session.run(names, {"image": images(count)}), strict=True):
        np.testing.assert_array_equal(rows, expected)
    binding.close()


def test_callers_do_not_share_buffers(session: ort.InferenceSession) -> None:
    """Each gets the rows of its own images, however many run at a time."""
    binding = IoBindingPool(session, "cpu", (SIDE, SIDE, 3), 3, prepared_sizes(8))
    counts = [1 + number % 8 for number in range(200)]
    with ThreadPoolExecutor(4) as callers:
        rows = list(callers.map(lambda count: binding.run(images(count), ort.RunOptions())[0], counts))
    for count, row in zip(counts, rows, strict=True):
        expected = session.run(["probabilities"], {"image": images(count)})[0]
        np.testing.assert_array_equal(row, expected)


def test_answers_outlive_the_buffers_next_batch(session: ort.InferenceSession) -> None:
    """Rows are copies."""
    binding = IoBindingPool(session, "cpu", (SIDE, SIDE, 3), 3, (2,))
    (first,) = binding.run(images(2), ort.RunOptions())
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
