"""What `snellen evaluate --against` measures: a new bundle and the one that serves, on the same images."""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.contract import PROBABILITIES, Bundle, BundleError, Pixels, Precision, Task, usable_cores
from training.data.held_out_images import HeldOutImages, ImageSource, Truth
from training.data.warnings_list import SkippedFile
from training.evaluation.graph import open_graph
from training.evaluation.graph_runs import Advance, batch_size, nothing_readable, read_batches, runtime_errors
from training.evaluation.judged_answers import JudgedAnswers, SeveralClasses, SingleClass
from training.evaluation.matched_labels import MatchedLabels, match_labels
from training.evaluation.metrics import accuracy_interval
from training.evaluation.paired_test import difference_interval, exact_mcnemar

LISTED = 20
"""Changed images that a comparison holds, those with the largest distance."""
SIGNIFICANT = 0.05
"""p-value below which one bundle counts as better."""


class Verdict(StrEnum):
    """What the images say about the new bundle. UNLABELLED: they have no labels, which would tell what is right."""

    BETTER = "better"
    WORSE = "worse"
    UNDECIDED = "undecided"
    UNLABELLED = "unlabelled"


@dataclass(frozen=True)
class Answer:
    """The answer of one bundle. present: whether the class reaches its threshold; None in the task single."""

    label: str
    probability: float
    present: bool | None


@dataclass(frozen=True)
class ChangedImage:
    """An image whose answers differ.

    new, serving: the most probable class of each bundle; in the task multilabel the same class for both, the one whose
    probabilities differ most among those that only one bundle finds present. differing: number of such classes, 1 in
    the task single. true: labels of the image; None without labels.
    """

    file: str
    distance: float
    new: Answer
    serving: Answer
    differing: int
    true: tuple[str, ...] | None


@dataclass(frozen=True)
class ClassAccuracies:
    """One class: number of its images, and how many of them each bundle gets right."""

    label: str
    images: int
    new: int
    serving: int


OnChanged = Callable[[ChangedImage], None]


@dataclass(frozen=True)
class Accuracies:
    """How often each bundle is right, from 0 to 1; in the task multilabel: with all shared classes of an image.

    only_new, only_serving, both, neither: number of images that these get right. difference_low, difference_high: 95 %
    interval of the accuracy of the new bundle minus that of the other. p_value: of the exact McNemar test.
    unknown_to_new, unknown_to_serving: images of classes that the bundle does not have, which count as wrong.
    """

    new: float
    serving: float
    both: int
    only_new: int
    only_serving: int
    neither: int
    difference_low: float
    difference_high: float
    p_value: float
    unknown_to_new: int
    unknown_to_serving: int


@dataclass(frozen=True)
class BundleComparison:
    """All figures.

    source: the images in words; images: number of those that could be read. only_new, only_serving: labels that the
    other bundle lacks. reordered: whether the bundles have their shared classes in different orders. agreement: share
    of images with the same answer, agreement_low and agreement_high its 95 % interval. distance of an image: total
    variation distance, in the task multilabel the largest difference of the probabilities of a shared class; both from
    0 to 1. classes: of the task single, those that the bundles do not get right equally often, the largest difference
    first; empty without labels. changed: the images with different answers, LISTED at most, largest distance first;
    changed_images: number of all of them.
    """

    new: str
    serving: str
    task: Task
    precision: Precision
    source: str
    images: int
    skipped: tuple[SkippedFile, ...]
    shared_labels: int
    only_new: tuple[str, ...]
    only_serving: tuple[str, ...]
    reordered: bool
    agreement: float
    agreement_low: float
    agreement_high: float
    mean_distance: float
    max_distance: float
    max_distance_file: str
    changed_images: int
    changed: tuple[ChangedImage, ...]
    accuracy: Accuracies | None
    classes: tuple[ClassAccuracies, ...]
    verdict: Verdict


def match_bundles(new: Bundle, serving: Bundle) -> MatchedLabels:
    """Return the matched classes. Raises BundleError for bundles that are the same or cannot be compared."""
    names = full_name(new), full_name(serving)
    if new.sha256 == serving.sha256:
        raise BundleError(f"both bundles are {names[0]}, with equal files: name another version behind --against")
    if new.manifest.task is not serving.manifest.task:
        kinds = {Task.SINGLE: "one class", Task.MULTILABEL: "any number of classes"}
        raise BundleError(
            f"{names[0]} finds {kinds[new.manifest.task]} in an image and {names[1]} {kinds[serving.manifest.task]}: "
            "compare bundles of the same task"
        )
    matched = match_labels(new.manifest.labels, serving.manifest.labels)
    if not len(matched.shared):
        raise BundleError(
            f"{names[0]} and {names[1]} have no label in common, so their answers cannot be compared: "
            "compare bundles with labels of the same names"
        )
    return matched


def full_name(bundle: Bundle) -> str:
    """Return NAME/VERSION."""
    return f"{bundle.manifest.name}/{bundle.manifest.version}"


def compare_bundles(
    new: Bundle,
    serving: Bundle,
    images: ImageSource,
    precision: Precision,
    *,
    advance: Advance,
    on_changed: OnChanged,
) -> BundleComparison:
    """Run one variant of both bundles on the same images, on the CPU, in batches that are forgotten afterwards.

    images: with labels as HeldOutImages, whose classes are `match_bundles(new, serving).labels`. advance: called with
    the number of further images that were read; on_changed: with each image whose answers differ, in their order.
    Raises DatasetError where no image can be read, and BundleError for bundles that cannot be compared, a variant that
    is missing or cannot be run, and probabilities that are NaN or infinite.
    """
    matched = match_bundles(new, serving)
    threads = usable_cores()
    sides = [_Side(bundle, precision, threads) for bundle in (new, serving)]
    several = new.manifest.task is Task.MULTILABEL
    thresholds = new.manifest.thresholds, serving.manifest.thresholds
    answers = SeveralClasses(matched, *thresholds) if several else SingleClass(matched)
    totals = _Totals(matched, new.manifest.task)
    size = min(batch_size(new.manifest), batch_size(serving.manifest))
    for batch in read_batches(images, [new.manifest, serving.manifest], size, threads):
        totals.skipped += batch.skipped
        if batch.rows:
            names = [images.names[row] for row in batch.rows]
            new_rows, serving_rows = (side.run(each, names) for side, each in zip(sides, batch.pixels, strict=True))
            truth = images.truth[batch.rows] if isinstance(images, HeldOutImages) else None
            for changed in totals.add(answers.judge(new_rows, serving_rows, truth), names, truth):
                on_changed(changed)
        advance(len(batch.rows) + len(batch.skipped))
    if not totals.images:
        raise nothing_readable(images, totals.skipped)
    accuracy = totals.accuracies() if isinstance(images, HeldOutImages) else None
    low, high = accuracy_interval(totals.same / totals.images, totals.images)
    return BundleComparison(
        new=full_name(new),
        serving=full_name(serving),
        task=new.manifest.task,
        precision=precision,
        source=images.title,
        images=totals.images,
        skipped=tuple(totals.skipped),
        shared_labels=len(matched.shared),
        only_new=matched.only_first,
        only_serving=matched.only_second,
        reordered=matched.reordered,
        agreement=totals.same / totals.images,
        agreement_low=low,
        agreement_high=high,
        mean_distance=totals.distance / totals.images,
        max_distance=totals.largest,
        max_distance_file=totals.largest_file,
        changed_images=totals.images - totals.same,
        changed=totals.first_changed(),
        accuracy=accuracy,
        classes=totals.changed_classes(),
        verdict=_verdict(accuracy),
    )


def _verdict(accuracy: Accuracies | None) -> Verdict:
    if accuracy is None:
        return Verdict.UNLABELLED
    if accuracy.p_value >= SIGNIFICANT:
        return Verdict.UNDECIDED
    return Verdict.BETTER if accuracy.only_new > accuracy.only_serving else Verdict.WORSE


class _Side:
    """One bundle, and its graph in a session."""

    def __init__(self, bundle: Bundle, precision: Precision, threads: int) -> None:
        try:
            path = bundle.model_path(precision)
        except BundleError as error:
            raise BundleError(f"{full_name(bundle)}: {error}") from error
        self._name, self._name_of_graph = full_name(bundle), f"{full_name(bundle)}/{path.name}"
        self._classes = len(bundle.manifest.labels)
        self._precision = precision
        with runtime_errors(self._name_of_graph, "loaded", precision):
            self._graph = open_graph(path, precision, quiet=True, threads=threads)

    def run(self, pixels: Pixels, names: Sequence[str]) -> NDArray[np.float32]:
        """Return probabilities float32 [n, K] of uint8 [n, H, W, C]. names: of the n images."""
        with runtime_errors(self._name_of_graph, "run", self._precision):
            (rows,) = self._graph.run([PROBABILITIES], pixels)
        if rows.shape != (len(names), self._classes):
            raise BundleError(
                f"{self._name_of_graph} returns {rows.shape} for {len(names)} images of {self._classes} classes"
            )
        if not (finite := np.isfinite(rows).all(axis=1)).all():
            raise BundleError(
                f"{self._name} answers NaN or infinity for {names[int(finite.argmin())]}, "
                "so it must not serve: export or import it again"
            )
        return rows


@dataclass
class _Totals:
    """Sums over the batches so far, and the changed images with the largest distances.

    right: counts [2, 2] of images by whether the new bundle and the other one are right, 1 for right. by_class: counts
    [3, K] of the images of each class, and of those that each bundle gets right, in the task single.
    """

    matched: MatchedLabels
    task: Task
    images: int = 0
    same: int = 0
    distance: float = 0.0
    largest: float = -1.0
    largest_file: str = ""
    right: NDArray[np.int64] = field(default_factory=lambda: np.zeros((2, 2), np.int64))
    by_class: NDArray[np.int64] = field(init=False)
    skipped: list[SkippedFile] = field(default_factory=list)
    _first: list[tuple[float, int, ChangedImage]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.by_class = np.zeros((3, len(self.matched.labels)), np.int64)

    def add(self, judged: JudgedAnswers, names: Sequence[str], truth: Truth | None) -> list[ChangedImage]:
        """Add n images, and return those with different answers."""
        places: list[int] = np.flatnonzero(~judged.same).tolist()
        changed = [self._changed(judged, place, names[place], truth) for place in places]
        for place, image in zip(places, changed, strict=True):
            item = image.distance, -(self.images + place), image  # of equal distances the first image
            (heapq.heappush if len(self._first) < LISTED else heapq.heappushpop)(self._first, item)
        worst = int(judged.distance.argmax())
        if judged.distance[worst] > self.largest:
            self.largest, self.largest_file = float(judged.distance[worst]), names[worst]
        self.images += len(names)
        self.same += int(judged.same.sum())
        self.distance += float(judged.distance.sum())
        if judged.right is not None and truth is not None:
            np.add.at(self.right, tuple(flags.astype(np.int64) for flags in judged.right), 1)
            if self.task is Task.SINGLE:
                counted = truth, *(truth[flags] for flags in judged.right)
                self.by_class += [np.bincount(each, minlength=len(self.matched.labels)) for each in counted]
        return changed

    def first_changed(self) -> tuple[ChangedImage, ...]:
        """Return the changed images with the largest distances, the largest first."""
        return tuple(image for *_, image in sorted(self._first, reverse=True))

    def accuracies(self) -> Accuracies:
        """Return the figures of labelled images."""
        (neither, only_serving), (only_new, both) = self.right.tolist()
        low, high = difference_interval(only_new, only_serving, self.images)
        matched, images = self.matched, self.by_class[0]
        return Accuracies(
            new=(both + only_new) / self.images,
            serving=(both + only_serving) / self.images,
            both=both,
            only_new=only_new,
            only_serving=only_serving,
            neither=neither,
            difference_low=low,
            difference_high=high,
            p_value=exact_mcnemar(only_new, only_serving),
            unknown_to_new=int(np.delete(images, matched.first).sum()),
            unknown_to_serving=int(np.delete(images, matched.second).sum()),
        )

    def changed_classes(self) -> tuple[ClassAccuracies, ...]:
        """Return the classes that one bundle gets right more often, the largest difference first."""
        images, new, serving = self.by_class
        gaps = np.abs(new - serving) / np.maximum(images, 1)
        order = [place for place in np.argsort(-gaps, kind="stable").tolist() if gaps[place]]
        labels = self.matched.unique_labels
        return tuple(
            ClassAccuracies(labels[place], int(images[place]), int(new[place]), int(serving[place])) for place in order
        )

    def _changed(self, judged: JudgedAnswers, place: int, name: str, truth: Truth | None) -> ChangedImage:
        labels = self.matched.unique_labels
        return ChangedImage(
            name,
            float(judged.distance[place]),
            self._answer(judged, place, 0),
            self._answer(judged, place, 1),
            int(judged.differing[place]),
            None if truth is None else tuple(labels[each] for each in self._classes_of(truth[place])),
        )

    def _classes_of(self, truth: np.int64 | NDArray[np.bool_]) -> list[int]:
        """Return the true classes of one image."""
        return [int(truth)] if self.task is Task.SINGLE else np.flatnonzero(truth).tolist()

    def _answer(self, judged: JudgedAnswers, place: int, side: Literal[0, 1]) -> Answer:
        return Answer(
            self.matched.unique_labels[judged.classes[side][place]],
            float(judged.probabilities[side][place]),
            None if judged.present is None else bool(judged.present[side][place]),
        )
