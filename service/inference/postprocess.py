"""Turns the network's output into results: top k, prediction sets, heatmaps."""

import numpy as np

from models.contract import Manifest, Row, Task, region
from service.errors import InvalidOption, NoClassMap, NotCalibrated
from service.inference.results import ClassIds, Heatmap, Region

DEFAULT_TOP_K = 5
"""Classes per image when the request does not set `top_k`."""
_SORTED_WHOLE = 256
"""Number of classes up to which sorting all of them is faster than selecting the first with a partition."""


def check_top_k(top_k: int, manifest: Manifest) -> None:
    """Check `top_k`. Raises InvalidOption when the model has fewer classes."""
    if top_k > len(manifest.labels):
        raise InvalidOption(f"top_k is at most {len(manifest.labels)}, the number of classes of {manifest.name}")


def check_class_map(manifest: Manifest) -> None:
    """Check that the model has a class map. Raises NoClassMap when it has none."""
    if not manifest.class_map:
        raise NoClassMap(f"the graph of {manifest.name} has no class map, so explain=heatmap is not possible")


def coverage_threshold(coverage: float, manifest: Manifest) -> float:
    """Return the sum of probabilities that a prediction set must reach. Raises NotCalibrated, InvalidOption."""
    if manifest.task is Task.MULTILABEL:
        raise InvalidOption(
            f"{manifest.name} judges each class by itself: its probabilities do not sum to 1, so that there are no "
            "prediction sets; leave coverage out, and use `threshold` and `present` of each prediction"
        )
    sets = manifest.calibration.prediction_sets
    thresholds = sets.threshold_of if sets else {}
    if coverage not in thresholds:
        known = ", ".join(f"{value:g}" for value in thresholds) or f"none: {_why_no_sets(manifest)}"
        raise NotCalibrated(f"coverage {coverage:g} was not fitted for {manifest.name}; fitted are {known}")
    return thresholds[coverage]


def _why_no_sets(manifest: Manifest) -> str:
    """Return why a bundle of the task single has no prediction sets at all."""
    if manifest.calibration.fitted_on is None:
        return "it was not calibrated; `snellen calibrate` makes a version that is"
    return "it was calibrated on too few images"


def ranking(probabilities: Row) -> ClassIds:
    """Return the class ids along the last axis, most probable first; equal ones in the order of the labels."""
    return (-probabilities).argsort(kind="stable")


def top(probabilities: Row, count: int) -> ClassIds:
    """Return the first `count` of the ranking of one image. probabilities: [K], all finite."""
    if len(probabilities) <= _SORTED_WHOLE or count >= len(probabilities):
        return ranking(probabilities)[:count]
    least = np.partition(probabilities, -count)[-count]
    candidates = (probabilities >= least).nonzero()[0]
    found: ClassIds = candidates[ranking(probabilities[candidates])]
    return found[:count]


def prediction_set(probabilities: Row, coverage: float, manifest: Manifest) -> ClassIds:
    """Return the fewest classes, most probable first, whose sum reaches the threshold of `coverage`."""
    order = ranking(probabilities)
    sums = np.cumsum(probabilities[order].astype(np.float64))
    count = min(int(np.searchsorted(sums, coverage_threshold(coverage, manifest))) + 1, len(order))
    return order[:count]


def unfamiliar(energy: float | None, manifest: Manifest) -> bool | None:
    """Return whether an energy is above the threshold, so that the image probably shows none of the classes.

    energy: None where the variant in use has no threshold. Returns None then.
    """
    if energy is None or manifest.calibration.energy is None:
        return None
    return energy > manifest.calibration.energy.threshold


def heatmap(probabilities: Row, class_map: Row, size: tuple[int, int], manifest: Manifest) -> Heatmap:
    """Return the class activation map of the most probable class, with negative values set to 0, scaled to 0..1.

    class_map: float32 [K, h, w]. size: width and height of the image after its orientation was applied.
    Source: Zhou et al., CVPR 2016.
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
