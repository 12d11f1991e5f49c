"""The feature maps of one image, layer by layer."""

import numpy as np
from numpy.typing import NDArray

from training.onnx_graph.graph import FeatureLayer, Floats, spread
from training.report.inline_images import coloured, mosaic, picture
from training.report.inputs import ReportInputs
from training.report.section import Content, Figure, Gallery

NO_LAYERS = "Nothing inside this network is a map of the image: its layers are not convolutions."
SHOWN_LAYERS = 5
_MAPS = 16
_COLOURS = "magma"


def feature_maps(inputs: ReportInputs) -> Content:
    """Return the chapter on feature maps."""
    photo = inputs.photos[0]
    layers = spread(inputs.graph.layers(photo.pixels), SHOWN_LAYERS)
    if not layers:
        return Content(missing=NO_LAYERS)
    values = inputs.graph.compute([layer.tensor for layer in layers], photo.pixels[None])
    figures = [
        _figure(layer, value[0], depth) for depth, (layer, value) in enumerate(zip(layers, values, strict=True), 1)
    ]
    shown = Figure(picture(photo.pixels, f"The image {photo.name}"), photo.name, "as the network sees it")
    return Content([Gallery([shown, *figures], "third")])


def _figure(layer: FeatureLayer, maps: Floats, depth: int) -> Figure:
    tiles = coloured(strongest(maps, _MAPS), _COLOURS)
    alt = f"The {len(tiles)} most varied of {layer}"
    columns = round(len(tiles) ** 0.5)
    return Figure(picture(mosaic(tiles, columns, 112), alt, sharp=True), f"Layer {depth}", str(layer))


def strongest(maps: Floats, count: int) -> NDArray[np.float32]:
    """Return the `count` maps of [C, h, w] with the largest variation, each stretched to 0..1: float32 [count, h,
    w].
    """
    chosen = maps[np.argsort(-maps.std(axis=(1, 2)), kind="stable")[:count]]
    low, high = chosen.min(axis=(1, 2), keepdims=True), chosen.max(axis=(1, 2), keepdims=True)
    return np.asarray((chosen - low) / np.maximum(high - low, 1e-9), np.float32)
