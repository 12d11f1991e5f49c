"""What the network said -> what a client reads: top k, prediction sets, heatmaps."""

import numpy as np
from numpy.typing import NDArray

from models.contract import Manifest, Row, region
from service.errors import InvalidOption, NoClassMap, NotCalibrated
from service.schemas import Heatmap, Prediction, PredictionSet, Region

DEFAULT_TOP_K = 5


def check_top_k(top_k: int, manifest: Manifest) -> None:
    """Raises InvalidOption when the model has fewer classes."""
    if top_k > len(manifest.labels):
        raise InvalidOption(f"top_k is at most {len(manifest.labels)}, the number of classes of {manifest.name}")


def check_class_map(manifest: Manifest) -> None:
    """Raises NoClassMap."""
    if not manifest.class_map:
        raise NoClassMap(f"the graph of {manifest.name} has no class map, so explain=heatmap is not possible")


def threshold(coverage: float, manifest: Manifest) -> float:
    """The sum of probabilities that a prediction set must reach. Raises NotCalibrated."""
    sets = manifest.calibration.prediction_sets
    thresholds = sets.threshold_of if sets else {}
    if coverage not in thresholds:
        known = ", ".join(f"{value:g}" for value in thresholds) or "none: it had no held-out data"
        raise NotCalibrated(f"coverage {coverage:g} was not fitted for {manifest.name}; fitted are {known}")
    return thresholds[coverage]


def top(probabilities: Row, count: int, labels: tuple[str, ...]) -> list[Prediction]:
    """The `count` most probable classes of probabilities [K], ties in the order of the labels."""
    return _predictions(ranking(probabilities)[:count], probabilities, labels)


def ranking(probabilities: Row) -> NDArray[np.intp]:
    """Classes, most probable first, along the last axis."""
    return np.argsort(-probabilities, kind="stable")


def rounded(probability: float) -> float:
    """As many digits as mean something."""
    return float(f"{probability:.6g}")


def prediction_set(probabilities: Row, coverage: float, manifest: Manifest) -> PredictionSet:
    """The fewest classes, most probable first, that together reach the threshold of `coverage`."""
    order = ranking(probabilities)
    sums = np.cumsum(probabilities[order].astype(np.float64))
    count = min(int(np.searchsorted(sums, threshold(coverage, manifest))) + 1, len(order))
    return PredictionSet(coverage=coverage, predictions=_predictions(order[:count], probabilities, manifest.labels))


def heatmap(probabilities: Row, class_map: Row, size: tuple[int, int], manifest: Manifest) -> Heatmap:
    """Class activation map (Zhou et al., CVPR 2016) of the first class, negative evidence cut off, scaled to 0..1.

    class_map: float32 [K, h, w]. size: width and height of the upright picture.
    """
    class_id = int(ranking(probabilities)[0])
    positive = np.maximum(class_map[class_id], 0)
    scaled = positive / max(float(positive.max()), 1e-6)
    left, top_edge, right, bottom = region(size, manifest.input, manifest.preprocessing)
    return Heatmap(
        class_id=class_id,
        values=[[round(float(value), 4) for value in row] for row in scaled],
        region=Region(left=left, top=top_edge, right=right, bottom=bottom),
    )


def _predictions(classes: NDArray[np.intp], probabilities: Row, labels: tuple[str, ...]) -> list[Prediction]:
    return [Prediction(class_id=int(k), label=labels[k], probability=rounded(probabilities[k])) for k in classes]
