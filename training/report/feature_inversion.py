"""Feature inversion: images made from nothing but the feature maps of another one, which show what a layer still
knows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from models.contract import Pixels
from training.errors import ReportError
from training.onnx_graph.graph import FeatureLayer, Graph, spread
from training.onnx_graph.torch_replay import TorchReplay
from training.report.feature_maps import NO_LAYERS, SHOWN_LAYERS
from training.report.inline_images import picture
from training.report.inputs import Photo, ReportInputs
from training.report.section import Content, Figure, Gallery

STEPS = 120
_RATE = 0.05
"""Adam's learning rate, for pixels of -1 to 1; it falls to zero along a half cosine."""
_SMOOTHNESS = 0.1
"""Weight of the total variation, as a share of the image's own, against the relative distance of the features."""
_RANGE = 0.01
"""Weight of the sixth power of the pixels, which keeps them within -1 to 1."""
_COARSEST = 4
"""Side in pixels of the smallest image in the sum."""


@dataclass(frozen=True)
class Inversion:
    """pixels: uint8 [H, W, C]; distance: of the features at the start and at the end, relative to their energy."""

    pixels: Pixels
    distance: tuple[float, float]


def invert(features: Callable[[Tensor], Tensor], image: Pixels, *, seed: int, steps: int = STEPS) -> Inversion:
    """Search for an image whose `features` are those of `image`, starting from faint noise.

    features: pixels of 0 to 255 [1, H, W, C] -> any tensor; image: uint8 [H, W, C]. The prior is that adjacent pixels
    are similar (total variation, beta 2) and in range. Source: Mahendran and Vedaldi, CVPR 2015; with Adam, on a sum of
    images from coarse to fine, since on single pixels fine noise appears first and stays.
    """
    given = torch.tensor(image)[None]
    with torch.no_grad():
        wanted = features(given)
        usual = total_variation(given.permute(0, 3, 1, 2) / 127.5 - 1).clamp(min=1e-3)
    pyramid = _noise(image.shape, seed)
    optimizer = torch.optim.Adam(pyramid, lr=_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    distances = []
    for _ in range(steps):
        guess = _sum(pyramid)
        distance = (features(_pixels(guess)) - wanted).square().sum() / wanted.square().sum().clamp(min=1e-9)
        optimizer.zero_grad()
        objective = distance + _SMOOTHNESS * total_variation(guess) / usual + _RANGE * guess.pow(6).mean()
        objective.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        distances.append(float(distance.detach()))
    found = _pixels(_sum(pyramid).detach()).round().clamp(0, 255)
    return Inversion(found[0].numpy().astype(np.uint8), (distances[0], distances[-1]))


def total_variation(image: Tensor) -> Tensor:
    """Return the mean squared difference to the right, plus that downwards, of [N, C, H, W]."""
    return image.diff(dim=2).square().mean() + image.diff(dim=3).square().mean()


def _noise(shape: tuple[int, int, int], seed: int) -> list[Tensor]:
    """Return faint images [1, C, h, w], each half the size of the one before, down to `_COARSEST`."""
    height, width, channels = shape
    random = torch.Generator().manual_seed(seed)
    halvings = range(max(min(height, width) // _COARSEST, 1).bit_length())
    sizes = [(1, channels, max(height >> halving, 1), max(width >> halving, 1)) for halving in halvings]
    return [(0.01 * torch.randn(size, generator=random)).requires_grad_() for size in sizes]


def _sum(pyramid: Sequence[Tensor]) -> Tensor:
    size = pyramid[0].shape[2:]
    return torch.stack([functional.interpolate(level, size, mode="bilinear") for level in pyramid]).sum(0)


def _pixels(guess: Tensor) -> Tensor:
    """Convert [N, C, H, W] of -1 to 1 to [N, H, W, C] of 0 to 255."""
    return 127.5 * (guess.permute(0, 2, 3, 1) + 1)


def feature_inversions(inputs: ReportInputs) -> Content:
    """Return the chapter on feature inversion."""
    photo = inputs.photos[0]
    layers = spread(inputs.graph.layers(photo.pixels), SHOWN_LAYERS)
    if not layers:
        return Content(missing=NO_LAYERS)
    try:
        figures = [_figure(inputs.graph, layer, photo, inputs.seed, depth) for depth, layer in enumerate(layers, 1)]
    except ReportError as error:
        return Content(missing=f"No image could be made: {error}.")
    shown = Figure(picture(photo.pixels, f"The image {photo.name}"), photo.name, "as the network sees it")
    return Content([Gallery([shown, *figures], "third")])


def _figure(graph: Graph, layer: FeatureLayer, photo: Photo, seed: int, depth: int) -> Figure:
    replay = TorchReplay(graph, graph.before_activation(layer))
    replay.check(photo.pixels[None])
    inversion = invert(replay, photo.pixels, seed=seed)
    image = picture(inversion.pixels, f"The image made from {layer}")
    return Figure(image, f"Layer {depth}", f"{layer}; its response is off by {inversion.distance[1]:.1%}")
