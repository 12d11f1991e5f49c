"""What the network said -> what a client is told: top k, prediction sets, heatmaps."""

import numpy as np

from models.contract import Manifest, Row, region
from service.errors import InvalidOption, NoClassMap, NotCalibrated
from service.inference.results import ClassIds, Heatmap, Region

DEFAULT_TOP_K = 5
_SORTED_WHOLE = 256
"""So few classes are sorted in less time than the first of them are found."""


def check_top_k(top_k: int, manifest: Manifest) -> None:
    """Raises InvalidOption when the model has fewer classes."""
    if top_k > len(manifest.labels):
        raise InvalidOption(f"top_k is at most {len(manifest.labels)}, the number of classes of {manifest.name}")


def check_class_map(manifest: Manifest) -> None:
    """Raises NoClassMap."""
    if not manifest.class_map:
        raise NoClassMap(f"the graph of {manifest.name} has no class map, so explain=heatmap is not possible")


def coverage_threshold(coverage: float, manifest: Manifest) -> float:
    """The sum of probabilities that a prediction set must reach. Raises NotCalibrated."""
    sets = manifest.calibration.prediction_sets
    thresholds = sets.threshold_of if sets else {}
    if coverage not in thresholds:
        known = ", ".join(f"{value:g}" for value in thresholds) or "none: it had too few held-out images"
        raise NotCalibrated(f"coverage {coverage:g} was not fitted for {manifest.name}; fitted are {known}")
    return thresholds[coverage]


def ranking(probabilities: Row) -> ClassIds:
    """ClassIds along the last axis, most probable first, ties in the order of the labels."""
    return (-probabilities).argsort(kind="stable")


def top(probabilities: Row, count: int) -> ClassIds:
    """The first `count` of the ranking of one image's probabilities [K], all of them numbers."""
    if len(probabilities) <= _SORTED_WHOLE or count >= len(probabilities):
        return ranking(probabilities)[:count]
    least = np.partition(probabilities, -count)[-count]
    candidates = (probabilities >= least).nonzero()[0]
    found: ClassIds = candidates[ranking(probabilities[candidates])]
    return found[:count]


def prediction_set(probabilities: Row, coverage: float, manifest: Manifest) -> ClassIds:
    """The fewest classes, most probable first, that together reach the coverage_threshold of `coverage`."""
    order = ranking(probabilities)
    sums = np.cumsum(probabilities[order].astype(np.float64))
    count = min(int(np.searchsorted(sums, coverage_threshold(coverage, manifest))) + 1, len(order))
    return order[:count]


def heatmap(probabilities: Row, class_map: Row, size: tuple[int, int], manifest: Manifest) -> Heatmap:
    """Class activation map (Zhou et al., CVPR 2016) of the first class, negative evidence cut off, scaled to 0..1.

    class_map: float32 [K, h, w]. size: width and height of the upright picture.
    """
    class_id = int(probabilities.argmax())
    positive = np.maximum(class_map[class_id], 0)
    scaled = positive / max(float(positive.max()), 1e-6)
    left, top_edge, right, bottom = region(size, manifest.input, manifest.preprocessing)
    return Heatmap(
        class_id=class_id,
        values=[[round(float(value), 4) for value in row] for row in scaled],
        region=Region(left=left, top=top_edge, right=right, bottom=bottom),
    )
