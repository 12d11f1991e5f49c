"""Computes the probabilities of the cells of a large image from its class map."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from models.manifest import Dense, Input, Task

Floats = NDArray[np.float32]


def grid_size(height: int, width: int, target: Input, dense: Dense) -> tuple[int, int]:
    """Return the rows and columns of cells: parts of the input's size, one stride apart, completely inside the image.

    Cell (r, c) begins r * stride[0] pixels from the top and c * stride[1] from the left. The rest at the bottom and at
    the right, less than a stride, is in no cell. Returns (0, 0) for an image that is smaller than the input.
    """
    down, across = dense.stride
    rows, columns = (height - target.height) // down + 1, (width - target.width) // across + 1
    return (rows, columns) if min(rows, columns) > 0 else (0, 0)


def cell_probabilities(
    logits: Floats,
    class_map: Floats,
    grid: tuple[int, int],
    dense: Dense,
    temperature: float,
    task: Task = Task.SINGLE,
) -> Floats:
    """Return the probabilities float32 [rows, columns, K] of the cells of one image.

    logits: [K]. class_map: [K, h, w]; both of one run over the whole image. grid: from `grid_size`.
    task: whether the probabilities of a cell are a softmax or sigmoids.
    The logits of a cell are the mean of the class map over its window, plus the bias. The bias is the difference
    between the logits of the whole image and the mean of the whole class map. For a network without padding, this
    equals its output for the cell cut out of the image.
    Raises ValueError when the class map is too small for the grid, so that the graph does not match the manifest.
    Source: Sermanet et al., OverFeat, ICLR 2014, section 3.5.
    """
    rows, columns = grid
    bias = logits - class_map.mean((1, 2), dtype=np.float64).astype(np.float32)
    part = class_map[:, : rows + dense.window[0] - 1, : columns + dense.window[1] - 1]
    down = sliding_window_view(part, dense.window[0], axis=1).mean(-1, dtype=np.float32)
    means = sliding_window_view(down, dense.window[1], axis=2).mean(-1, dtype=np.float32)
    if means.shape[1:] != grid:
        raise ValueError(f"a class map of {class_map.shape[1:]} cells has no {rows}x{columns} windows")
    values = (np.moveaxis(means, 0, -1) + bias) / temperature
    return _softmax(values) if task is Task.SINGLE else _sigmoid(values)


def _softmax(values: Floats) -> Floats:
    """Return the softmax over the last axis."""
    powers = np.exp(values - values.max(-1, keepdims=True))
    shares: Floats = powers / powers.sum(-1, keepdims=True)
    return shares


def _sigmoid(values: Floats) -> Floats:
    """Return 1 / (1 + exp(-value)) of each value, without overflow."""
    shares: Floats = np.exp(-np.logaddexp(np.float32(0), -values))
    return shares
