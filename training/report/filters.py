"""The filters of the first convolution, the only weights that can be shown as images."""

import numpy as np

from models.contract import Pixels
from training.onnx_graph.graph import Floats
from training.report.inline_images import coloured, mosaic, picture
from training.report.inputs import ReportInputs
from training.report.section import Content, Figure, Gallery

_LIMIT = 96
_DIVERGING = "PuOr_r"
"""Orange above zero, purple below, white at zero; distinct for colour-blind people. Source: ColorBrewer."""


def filters(inputs: ReportInputs) -> Content:
    """Return the chapter on first-layer filters."""
    weights = inputs.graph.first_filters
    if weights is None:
        return Content(missing="This network does not begin with a convolution.")
    shown = as_pixels(weights)[:_LIMIT]
    count, channels, height, width = weights.shape
    columns = min(16, -(-len(shown) // 2)) if len(shown) <= 32 else 16
    few = f", the first {len(shown)} of them" if count > len(shown) else ""
    alt = f"{len(shown)} filters of {height} by {width} weights over {channels} channels"
    caption = f"{count} filters of {height}×{width}×{channels}{few}"
    return Content([Gallery([Figure(picture(mosaic(shown, columns, 48), alt, sharp=True), caption)], "full")])


def as_pixels(weights: Floats) -> Pixels:
    """Return uint8 [F, h, w, 3] of filters [F, C, h, w], each scaled by its own largest weight, zero in the middle.

    Three channels are red, green and blue; others are averaged. A folded batch norm has scaled each filter, so a common
    scale would show only the strongest.
    """
    largest = np.abs(weights).max(axis=(1, 2, 3), keepdims=True)
    unit = 0.5 + 0.5 * weights / np.maximum(largest, 1e-12)
    if weights.shape[1] == 3:
        return np.asarray((255 * unit).round(), np.uint8).transpose(0, 2, 3, 1)
    return coloured(unit.mean(axis=1), _DIVERGING)
