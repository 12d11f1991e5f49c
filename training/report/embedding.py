"""t-SNE: images arranged so that those with similar embeddings are close."""

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from models.contract import Pixels, preprocess
from training.data.labelled_images import to_picture
from training.onnx_graph.graph import Floats
from training.report.charts import canvas, chart, styled
from training.report.inline_images import picture
from training.report.inputs import LabelledData, Photo, ReportInputs
from training.report.palette import CLASSES, LIGHT
from training.report.section import Content, Figure, Gallery

Positions = NDArray[np.float64]
_IMAGES = 800
"""Images that are arranged; each takes up to 300 bytes of the page, twice where it is a mistake."""
_CROPS = 240
_LARGEST_CROP = 0.6
_COMPONENTS = 50
_SHEET_PIXELS = 1120


def embedding(inputs: ReportInputs) -> Content:
    """Return the chapter on t-SNE."""
    if inputs.labelled is not None:
        return _of_held_out(inputs, inputs.labelled)
    return _of_crops(inputs)


def _of_held_out(inputs: ReportInputs, labelled: LabelledData) -> Content:
    random = np.random.default_rng(inputs.seed)
    chosen = random.permutation(len(labelled.images))[:_IMAGES]
    images = labelled.images.take(chosen)
    positions = arrange(inputs.graph.compute([inputs.graph.penultimate], images.images)[0], inputs.seed)
    wrong = labelled.evaluation.probabilities[chosen].argmax(axis=1) != images.labels
    names = inputs.labels if len(inputs.labels) <= len(CLASSES) else ()
    scatter = Figure(
        _scatter(positions, images.labels, wrong, names),
        f"{len(images):,} of the {labelled.source}",
        "Rings are mistakes. They belong between groups; one amid another group may be a wrong label.",
    )
    return Content([Gallery([scatter, _sheet(images.images, positions, cells=40)], "half")])


def _of_crops(inputs: ReportInputs) -> Content:
    height, width, _ = inputs.manifest.input.shape
    large = [photo for photo in inputs.photos if min(photo.picture.size) >= max(height, width)]
    if not large:
        return Content(missing="This needs many images: name labelled ones with --data.")
    crops = _crops(large, inputs)
    positions = arrange(inputs.graph.compute([inputs.graph.penultimate], crops)[0], inputs.seed)
    note = f"Without labelled images, these are {len(crops)} random crops of {len(large)} photos."
    return Content([Gallery([_sheet(crops, positions, cells=20)], "full", note=note)])


def _crops(photos: Sequence[Photo], inputs: ReportInputs) -> Pixels:
    """Return uint8 [N, H, W, C]: squares of a quarter to `_LARGEST_CROP` of the shorter side, equally many of each
    photo.
    """
    random = np.random.default_rng(inputs.seed)
    crops = []
    for photo in photos:
        width, height = photo.picture.size
        for _ in range(_CROPS // len(photos)):
            side = int(min(width, height) * random.uniform(0.25, _LARGEST_CROP))
            left, top = int(random.integers(0, width - side + 1)), int(random.integers(0, height - side + 1))
            part = photo.picture.crop((left, top, left + side, top + side))
            crops.append(preprocess(part, inputs.manifest.input, inputs.manifest.preprocessing))
    return np.stack(crops)


def arrange(features: Floats, seed: int) -> Positions:
    """Return positions [N, 2] of features [N, ...], each coordinate 0..1. N is at least 4.

    Source: t-SNE of van der Maaten and Hinton, JMLR 2008, after a principal component analysis.
    """
    flat = features.reshape(len(features), -1)
    components = min(_COMPONENTS, *flat.shape)
    reduced = PCA(components, svd_solver="full").fit_transform(flat)
    perplexity = min(30.0, (len(flat) - 1) / 3)
    positions = TSNE(init="pca", perplexity=perplexity, random_state=seed, n_jobs=1).fit_transform(reduced)
    low, high = positions.min(axis=0), positions.max(axis=0)
    return np.asarray((positions - low) / np.maximum(high - low, 1e-9), np.float64)


@styled
def _scatter(positions: Positions, labels: NDArray[np.int64], wrong: NDArray[np.bool_], names: Sequence[str]) -> Markup:
    figure, axes = canvas(6.4, 6.4)
    axes.set_axis_off()
    axes.set(xlim=(-0.02, 1.02), ylim=(1.02, -0.02), aspect="equal")  # y points down, as rows of an image do
    colours = [CLASSES[label] for label in labels] if names else LIGHT["soft"]
    axes.scatter(positions[:, 0], positions[:, 1], s=9, c=colours, alpha=0.8, linewidths=0)
    axes.scatter(positions[wrong, 0], positions[wrong, 1], s=22, c="none", edgecolors=LIGHT["ink"], linewidths=0.9)
    for label, name in enumerate(names):
        if (labels == label).any():
            x, y = np.median(positions[labels == label], axis=0)
            axes.text(x, y, name, ha="center", va="center", fontsize=11, fontweight="bold", parse_math=False)
    alt = f"t-SNE of {len(labels):,} images, {int(wrong.sum()):,} of them classified wrongly."
    return chart(figure, "embedding", alt)


def _sheet(images: Pixels, positions: Positions, cells: int) -> Figure:
    """Draw thumbnails at their positions on a grid of `cells` a side; of several in a cell the first is shown."""
    side = _SHEET_PIXELS // cells
    canvas = np.zeros((cells * side, cells * side, 4), np.uint8)
    places = np.minimum((positions * cells).astype(int), cells - 1)
    _, first = np.unique(places, axis=0, return_index=True)
    for index in first:
        column, row = places[index]
        thumbnail = to_picture(images[index]).convert("RGBA").resize((side - 2, side - 2), Image.Resampling.LANCZOS)
        canvas[row * side : row * side + side - 2, column * side : column * side + side - 2] = np.asarray(thumbnail)
    return Figure(
        picture(canvas, f"{len(first)} of the images as thumbnails, where they lie"),
        "Some of the images, where they lie",
    )
