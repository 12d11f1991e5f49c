"""Images that show none of the classes, by name: from scikit-learn or a random generator, without downloads."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.contract import Input, Pixels, Preprocessing, preprocess
from training.data.labelled_images import to_picture
from training.data.sources.packaged_images import read_digits, read_photographs
from training.errors import DatasetError
from training.evaluation.evaluate import run_graph

_COUNT = 1000
_SMALLEST_CROP = 64
_HOW = Preprocessing(resize="squash", interpolation="bicubic", background=(0, 0, 0))


@dataclass(frozen=True)
class OutOfDistribution:
    """Logits float32 [N, K] of images that show none of the graph's classes. `title` names their set."""

    title: str
    logits: NDArray[np.float32]


def out_of_distribution(name: str, model: Path, target: Input) -> OutOfDistribution:
    """Run an ONNX file on one of `OOD_SETS`. Raises DatasetError for another name."""
    pixels = ood_images(name, target)
    return OutOfDistribution(OOD_SETS[name].title, run_graph(model, pixels)[1])


def check_ood_name(name: str) -> None:
    """Raise DatasetError with the known names for an unknown one. Costs nothing, so it is called before training."""
    if name not in OOD_SETS:
        raise DatasetError(f"{name!r} is no out-of-distribution set; choose from {', '.join(OOD_SETS)}")


def ood_images(name: str, target: Input) -> Pixels:
    """Return uint8 [N, height, width, channels] of one of `OOD_SETS`, the same on every call. Raises DatasetError."""
    check_ood_name(name)
    return np.stack([preprocess(picture, target, _HOW) for picture in OOD_SETS[name].pictures(target)])


def _digits(_: Input) -> Iterator[Image.Image]:
    return map(to_picture, read_digits().images)


def _photographs(_: Input) -> Iterator[Image.Image]:
    photographs = read_photographs()
    random = np.random.default_rng(seed=0)
    for index in range(_COUNT):
        photograph = photographs[index % len(photographs)]
        side = int(random.integers(_SMALLEST_CROP, min(photograph.size), endpoint=True))
        left, upper = (int(random.integers(0, length - side, endpoint=True)) for length in photograph.size)
        yield photograph.crop((left, upper, left + side, upper + side))


def _noise(target: Input) -> Iterator[Image.Image]:
    random = np.random.default_rng(seed=0)
    for _ in range(_COUNT):
        yield to_picture(random.integers(0, 256, target.shape, dtype=np.uint8))


@dataclass(frozen=True)
class _Pictures:
    title: str
    pictures: Callable[[Input], Iterator[Image.Image]]


OOD_SETS = {
    "digits": _Pictures("1,797 handwritten digits of scikit-learn, 8x8 pixels enlarged cubically", _digits),
    "photographs": _Pictures(f"{_COUNT:,} square crops of scikit-learn's china.jpg and flower.jpg", _photographs),
    "noise": _Pictures(f"{_COUNT:,} images of uniform noise, each pixel and channel for itself", _noise),
}
"""Sets by name. A set must not show classes of the model: `digits` is useless for a network for digits."""
