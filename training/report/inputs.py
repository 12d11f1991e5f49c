"""The inputs of a report: a bundle, photos to run through it, and labelled images that training did not use."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from models.contract import CLASS_MAP, PROBABILITIES, Bundle, Colour, Manifest, Pixels, Precision
from training.data.labelled_images import LabelledImages
from training.data.sources.open_image import UnreadableImage, read_pixels
from training.errors import ReportError
from training.evaluation.evaluate import Evaluation
from training.onnx_graph.graph import Floats, Graph

UNLABELLED = "This needs images with known classes that the network never trained on: name them with --data."


@dataclass(frozen=True)
class Photo:
    """A photo as the network sees it. pixels: uint8 [H, W, C]; picture: the whole photo, for crops."""

    name: str
    pixels: Pixels
    picture: Image.Image


@dataclass(frozen=True)
class LabelledData:
    """Labelled images and the bundle's outputs for them. source: describes the images."""

    images: LabelledImages
    evaluation: Evaluation
    source: str


@dataclass(frozen=True)
class ReportInputs:
    """photos: the chosen one first; run: the folder that training kept, or None."""

    bundle: Bundle
    graph: Graph
    photos: Sequence[Photo]
    labelled: LabelledData | None
    run: Path | None
    seed: int

    @property
    def manifest(self) -> Manifest:
        return self.bundle.manifest

    @property
    def labels(self) -> tuple[str, ...]:
        return self.manifest.labels

    @property
    def stack(self) -> Pixels:
        """All photos: uint8 [N, H, W, C]."""
        return np.stack([photo.pixels for photo in self.photos])

    @cached_property
    def answers(self) -> Floats:
        """Probabilities [N, K] of the photos."""
        return self.graph.compute([PROBABILITIES], self.stack)[0]

    @cached_property
    def class_maps(self) -> Floats:
        """Class maps [N, K, h, w] of the photos."""
        return self.graph.compute([CLASS_MAP], self.stack)[0]


def open_graph(bundle: Bundle) -> Graph:
    """Check the files of the bundle and open its fp32 network. Raises BundleError."""
    bundle.check_files()
    return Graph(bundle.model_path(Precision.FP32))


def find_photos(bundle: Bundle, chosen: Path | None) -> list[Photo]:
    """Return `chosen`, then the golden images, then, for colour, the sample photos of scikit-learn.

    Raises ReportError.
    """
    paths = [] if chosen is None else [chosen]
    paths += [bundle.file(path) for path in bundle.manifest.golden.images]
    if bundle.manifest.input.colour is Colour.RGB:
        paths += _samples()
    return [_photo(path, bundle.manifest) for path in paths]


def _samples() -> list[Path]:
    import sklearn.datasets  # noqa: PLC0415 - takes a second, and is needed for colour only

    return sorted((Path(sklearn.datasets.__file__).parent / "images").glob("*.jpg"))


def _photo(path: Path, manifest: Manifest) -> Photo:
    try:
        pixels = read_pixels(path, manifest.input, manifest.preprocessing)
    except UnreadableImage as error:
        raise ReportError(f"{path} cannot be shown: {error}") from error
    with Image.open(path) as picture:
        return Photo(path.name, pixels, picture.convert(manifest.input.colour.value))
