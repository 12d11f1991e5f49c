"""The results for one image, independent of the protocol."""

from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from models.contract import Row

ClassIds = NDArray[np.intp]
"""Indices into the labels."""


@dataclass(frozen=True)
class Region:
    """The rectangle that the network received, as fractions of the upright image's width and height.

    It reaches beyond the image, below 0 and above 1, where the model pads.
    """

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class Heatmap:
    """Class activation map of the most probable class: `values[y][x]` from 0 to 1 over `region`."""

    class_id: int
    values: list[list[float]]
    region: Region


@dataclass(frozen=True)
class Size:
    """Height and width in pixels."""

    height: int
    width: int


@dataclass(frozen=True)
class Grid:
    """Classes of every part of an upright image in its own resolution.

    The cell in row r and column c begins r * stride.height pixels from the top and c * stride.width from the left.
    """

    rows: int
    columns: int
    image: Annotated[Size, Field(description="the upright picture")]
    cell: Annotated[Size, Field(description="the part that one cell is about: the model's input")]
    stride: Annotated[Size, Field(description="from one cell to the next")]
    labels: Annotated[dict[int, str], Field(description="of the classes in `class_ids`")]
    class_ids: Annotated[list[list[list[int]]], Field(description="[row][column]: top_k classes, most probable first")]
    probabilities: Annotated[list[list[list[float]]], Field(description="[row][column]: theirs, in the same order")]


class Classification(NamedTuple):
    """The result for one image.

    probabilities: [K]. classes: ids of the top k classes. energy, unfamiliar: in nats, and whether it is above the
    bundle's threshold; None where there is no threshold. The other fields hold the optional parts that were requested.
    """

    probabilities: Row
    classes: ClassIds
    coverage: float | None = None
    prediction_set: ClassIds | None = None
    heatmap: Heatmap | None = None
    grid: Grid | None = None
    energy: float | None = None
    unfamiliar: bool | None = None


def rounded(probability: float) -> float:
    """Round to six significant digits."""
    return float(f"{probability:.6g}")
