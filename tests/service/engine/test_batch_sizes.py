"""The batch sizes that a device is prepared for, and the padding of a batch to one of them."""

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.contract import PROBABILITIES, Pixels, read_bundle
from service.engine.batch_sizes import padded, padded_size, prepared_sizes, run_sizes
from service.engine.providers import EngineOptions
from service.engine.session import open_session
from tests.support.bundles import SIDE, write_bundle


def images(count: int) -> Pixels:
    """Return random pixels, the same for the same count."""
    return np.random.default_rng(count).integers(0, 256, (count, SIDE, SIDE, 3)).astype(np.uint8)


@pytest.mark.parametrize(("largest", "sizes"), [(1, (1,)), (2, (1, 2)), (6, (1, 2, 4, 6)), (8, (1, 2, 4, 8))])
def test_prepared_sizes_are_powers_of_two_and_the_largest(largest: int, sizes: tuple[int, ...]) -> None:
    """A device is prepared for the powers of two below the largest batch size, and for the largest itself."""
    assert prepared_sizes(largest) == sizes


@given(st.integers(1, 300), st.data())
def test_every_batch_has_a_prepared_size(largest: int, data: st.DataObject) -> None:
    """The prepared sizes ascend to the largest, and no batch is padded to twice its size or more."""
    sizes, count = prepared_sizes(largest), data.draw(st.integers(1, largest))
    assert sizes[-1] == largest
    assert list(sizes) == sorted(set(sizes))
    assert count <= padded_size(count, sizes) < 2 * count or count == 1


def test_a_batch_is_padded_to_the_next_prepared_size() -> None:
    """A batch of a prepared size is not copied, and a batch above the largest size is not padded."""
    assert padded(images(3), (1, 2, 4)).shape[0] == 4
    whole = images(4)
    assert padded(whole, (1, 2, 4)) is whole
    assert padded(images(5), (1, 2, 4)).shape[0] == 5


@pytest.mark.parametrize("count", [1, 3, 5])
def test_a_padded_batch_has_the_rows_of_its_single_images(count: int, tmp_path: Path) -> None:
    """The black images that pad a batch do not change the probabilities of the other images."""
    bundle, batch = read_bundle(write_bundle(tmp_path)), images(count)
    session = open_session(bundle.path / "model.onnx", bundle.manifest, EngineOptions())
    (rows,) = session.run([PROBABILITIES], padded(batch, prepared_sizes(8)), ort.RunOptions())
    assert len(rows) == padded_size(count, prepared_sizes(8))
    for image, row in zip(batch, rows[:count], strict=True):
        (alone,) = session.run([PROBABILITIES], image[None], ort.RunOptions())
        np.testing.assert_allclose(row, alone[0], rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("count", "runs"),
    [(1, [1]), (2, [1, 1]), (3, [1, 1, 1]), (4, [4]), (5, [4, 1]), (11, [4, 4, 1, 1, 1]), (32, [4] * 8)],
)
def test_a_batch_is_divided_into_runs_of_two_sizes(count: int, runs: list[int]) -> None:
    """The larger size as often as it fits, and the rest one by one."""
    assert run_sizes(count, 4) == runs


@given(st.integers(1, 300), st.integers(1, 32))
def test_every_image_is_in_one_run(count: int, largest: int) -> None:
    """No run has another size than the two."""
    sizes = run_sizes(count, largest)
    assert sum(sizes) == count
    assert {*sizes} <= {1, largest}
