"""Turns the network's output for a large image into a grid of classes."""

from itertools import chain
from typing import NamedTuple

import numpy as np

from models.contract import Dense, Manifest, Pixels, cell_probabilities, grid_size
from service.errors import NotDense, TooManyCells, TooSmall
from service.inference.postprocess import DEFAULT_TOP_K, ranking, top, unfamiliar
from service.inference.results import Classification, Grid, Size, rounded
from service.types import DensePrediction

CELL_TOP_K = 1
"""Classes per cell when the request does not set `top_k`."""


class GridShape(NamedTuple):
    """Height and width of an image in pixels, rows and columns of its cells."""

    height: int
    width: int
    rows: int
    columns: int


def require_dense(manifest: Manifest) -> Dense:
    """Return the dense section of the manifest. Raises NotDense when there is none."""
    if manifest.dense is None:
        raise NotDense(f"the network of {manifest.name} takes images of one size: dense classification is not possible")
    return manifest.dense


def shape_of(pixels: Pixels, manifest: Manifest, top_k: int | None, max_predictions: int) -> GridShape:
    """Return the shape of the grid. Raises TooSmall, TooManyCells.

    max_predictions: limit of rows * columns * top_k.
    """
    top_k = top_k or CELL_TOP_K
    height, width = pixels.shape[:2]
    rows, columns = grid_size(height, width, manifest.input, require_dense(manifest))
    if not rows:
        raise TooSmall(
            f"the image is {width}x{height}; for dense classification it has to be at least "
            f"{manifest.input.width}x{manifest.input.height}, the model's input"
        )
    if rows * columns * top_k > max_predictions:
        raise TooManyCells(
            f"the grid has {rows}x{columns} cells, {rows * columns * top_k} predictions with top_k={top_k}; "
            f"the limit is {max_predictions}: send a smaller image or a lower top_k"
        )
    return GridShape(height, width, rows, columns)


def result(prediction: DensePrediction, shape: GridShape, manifest: Manifest, top_k: int | None) -> Classification:
    """Return the classes of the whole image and of its cells. Takes up to seconds for many cells and many classes.

    Raises ValueError when the class map does not cover the image, which verification at load excludes.
    """
    return Classification(
        prediction.probabilities,
        top(prediction.probabilities, top_k or DEFAULT_TOP_K),
        grid=_grid(prediction, shape, manifest, top_k or CELL_TOP_K),
        energy=prediction.energy,
        unfamiliar=unfamiliar(prediction.energy, manifest),
    )


def _grid(prediction: DensePrediction, shape: GridShape, manifest: Manifest, top_k: int) -> Grid:
    dense = require_dense(manifest)
    size, temperature = (shape.rows, shape.columns), manifest.calibration.temperature
    cells = cell_probabilities(prediction.logits, prediction.class_map, size, dense, temperature, manifest.task)
    # One row at a time, and copied: the ranks of all classes of all cells would take much memory.
    orders = [ranking(row)[:, :top_k].copy() for row in cells]
    best = [np.take_along_axis(row, order, axis=1) for row, order in zip(cells, orders, strict=True)]
    class_ids = [order.tolist() for order in orders]
    seen = sorted(set(chain.from_iterable(chain.from_iterable(class_ids))))
    return Grid(
        rows=shape.rows,
        columns=shape.columns,
        image=Size(height=shape.height, width=shape.width),
        cell=Size(height=manifest.input.height, width=manifest.input.width),
        stride=Size(height=dense.stride[0], width=dense.stride[1]),
        labels={class_id: manifest.labels[class_id] for class_id in seen},
        class_ids=class_ids,
        probabilities=[[[rounded(p) for p in cell] for cell in row.tolist()] for row in best],
    )
