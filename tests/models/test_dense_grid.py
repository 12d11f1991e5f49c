"""The cells of a large image, from its class map."""

import numpy as np
import pytest

from models.contract import Colour, Dense, Input, Task, cell_probabilities, grid_size

INPUT = Input(colour=Colour.RGB, height=16, width=24)
DENSE = Dense(stride=(4, 8), window=(3, 2))


@pytest.mark.parametrize(
    ("height", "width", "grid"),
    [(16, 24, (1, 1)), (19, 31, (1, 1)), (20, 32, (2, 2)), (100, 24, (22, 1)), (15, 400, (0, 0)), (400, 23, (0, 0))],
)
def test_cells_lie_in_the_image_as_a_whole(height: int, width: int, grid: tuple[int, int]) -> None:
    """What is left over, less than a stride, is in none; a smaller image has none at all."""
    assert grid_size(height, width, INPUT, DENSE) == grid


def test_a_cell_is_the_mean_of_its_window() -> None:
    """Plus the bias, over the temperature; cells of the class map beyond the grid are left out."""
    random = np.random.default_rng(seed=0)
    class_map = random.normal(size=(4, 6, 5)).astype(np.float32)
    bias = np.array([1, -1, 0.5, 0], np.float32)
    cells = cell_probabilities(class_map.mean((1, 2)) + bias, class_map, (3, 4), DENSE, temperature=2.0)
    for row, column in np.ndindex(3, 4):
        powers = np.exp((class_map[:, row : row + 3, column : column + 2].mean((1, 2)) + bias) / 2)
        np.testing.assert_allclose(cells[row, column], powers / powers.sum(), atol=1e-6)
    assert cells.shape == (3, 4, 4)
    assert cells.dtype == np.float32


def test_the_classes_of_a_multilabel_cell_are_judged_one_by_one() -> None:
    """Its probabilities are sigmoids of the same logits, without overflow."""
    class_map = np.array([-100, -3, 0, 100], np.float32)[:, None, None].repeat(3, 1).repeat(2, 2)
    cells = cell_probabilities(class_map[:, 0, 0], class_map, (1, 1), DENSE, temperature=2.0, task=Task.MULTILABEL)
    np.testing.assert_allclose(cells[0, 0], [np.exp(-50), 1 / (1 + np.exp(1.5)), 0.5, 1], rtol=1e-5)
    assert cells.dtype == np.float32


def test_a_class_map_that_is_too_small_is_an_error() -> None:
    """Not a smaller grid."""
    with pytest.raises(ValueError, match="no 9x9 windows"):
        cell_probabilities(np.zeros(4, np.float32), np.zeros((4, 6, 5), np.float32), (9, 9), DENSE, 1.0)
