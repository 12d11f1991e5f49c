"""Class activation maps: where in an image the network found evidence for a class."""

import numpy as np
from numpy.typing import NDArray

from models.contract import Pixels
from training.onnx_graph.graph import Floats
from training.report.inline_images import coloured, enlarged, picture
from training.report.inputs import Photo, ReportInputs
from training.report.section import Content, Figure, Gallery

_CLASSES = 2
_PHOTOS = 10
_COLOURS = "inferno"
_OPACITY = 0.7


def class_activation_maps(inputs: ReportInputs) -> Content:
    """Return the chapter on class activation maps."""
    if not inputs.manifest.class_map:
        return Content(
            missing="This network does not end in average pooling and a linear layer, so it has no class map."
        )
    rows = zip(inputs.photos[:_PHOTOS], inputs.answers, inputs.class_maps, strict=False)
    figures = [_figures(photo, row, maps, inputs.labels) for photo, row, maps in rows]
    return Content([Gallery([each for part in figures for each in part], "triples")])


def _figures(photo: Photo, probabilities: Floats, maps: Floats, labels: tuple[str, ...]) -> list[Figure]:
    """Return the photo, and the evidence for each of its most probable classes drawn over it."""
    best = np.argsort(-probabilities, kind="stable")[:_CLASSES]
    overlays = [
        Figure(
            picture(overlay(photo.pixels, positive_share(maps[k])), f"Where {photo.name} shows {labels[k]}"),
            labels[k],
            f"{probabilities[k]:.1%}",
        )
        for k in best
    ]
    return [Figure(picture(photo.pixels, f"The image {photo.name}"), photo.name), *overlays]


def positive_share(class_map: Floats) -> NDArray[np.float32]:
    """Return the positive evidence of one class's map [h, w] as a share of its peak: 0..1.

    Source: class activation maps of Zhou et al., CVPR 2016, negative evidence cut off as in the service.
    """
    positive = np.maximum(class_map, 0)
    return np.asarray(positive / max(float(positive.max()), 1e-6), np.float32)


def overlay(pixels: Pixels, share: NDArray[np.float32]) -> Pixels:
    """Return uint8 [H, W, 3]: the image in grey, covered by `share` [h, w]; larger shares are warmer and more
    opaque.
    """
    height, width = pixels.shape[:2]
    strength = np.clip(enlarged(share, width, height), 0, 1)
    grey = 0.8 * pixels.mean(axis=2, keepdims=True).repeat(3, axis=2)
    alpha = _OPACITY * strength[..., None] ** 1.2
    return np.asarray(((1 - alpha) * grey + alpha * coloured(0.25 + 0.7 * strength, _COLOURS)).round(), np.uint8)
