"""What live traffic looks like beside the baseline of its bundle: metrics that Prometheus compares.

docs/drift.md explains the comparison.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge

from models.contract import BASELINE_CLASSES, CONFIDENCE_BOUNDS, Baseline, Manifest, Precision, bin_names

_MODEL = ("model", "version")
_CLASS = (*_MODEL, "class_id", "label")
_BIN = (*_MODEL, "bin")
OTHER = "other"
"""Value of `class_id` and of `label` for all classes that have no series of their own."""


class DriftMetrics:
    """Metrics by version: what was answered, and what the baseline of the bundle says of it, with the same labels."""

    def __init__(self, to: CollectorRegistry) -> None:
        self.classes = Counter(
            "snellen_predicted_images",
            f"Images by their most probable class; at most {BASELINE_CLASSES} series for each version, of which "
            f"{OTHER} has the other classes",
            _CLASS,
            registry=to,
        )
        self.confidence = Counter(
            "snellen_confidence_images",
            "Images by the probability of their most probable class; the upper bound belongs to the bin",
            _BIN,
            registry=to,
        )
        self.unfamiliar = Counter(
            "snellen_unfamiliar_images", "Images whose energy is above the bundle's threshold", _MODEL, registry=to
        )
        self.baseline_classes = Gauge(
            "snellen_baseline_class_share",
            "Share of the images of the baseline, by their most probable class",
            _CLASS,
            registry=to,
        )
        self.baseline_confidence = Gauge(
            "snellen_baseline_confidence_share",
            "Share of the images of the baseline, by the probability of their most probable class",
            _BIN,
            registry=to,
        )
        self.baseline_unfamiliar = Gauge(
            "snellen_baseline_unfamiliar_share",
            "Share of the images of the baseline whose energy is above the threshold",
            _MODEL,
            registry=to,
        )
        self.baseline_images = Gauge("snellen_baseline_images", "Images behind the baseline", _MODEL, registry=to)

    def observer(self, manifest: Manifest, precision: Precision) -> "AnswerObserver":
        """Return what counts the answers of a version, and show its baseline.

        precision: the variant that answers. All series are there at once, with 0: Prometheus computes no rate of a
        series from its first value.
        """
        version, baseline = (manifest.name, str(manifest.version)), manifest.calibration.baseline
        has_threshold = manifest.energy_threshold(precision) is not None
        if baseline is not None:
            self._show(version, manifest.labels, baseline, has_threshold=has_threshold)
        bounds = CONFIDENCE_BOUNDS if baseline is None else baseline.bounds
        named = _named_classes(manifest)
        others = 0 < len(named) < len(manifest.labels)
        return AnswerObserver(
            {each: self.classes.labels(*version, str(each), manifest.labels[each]) for each in named},
            self.classes.labels(*version, OTHER, OTHER) if others else None,
            bounds,
            [self.confidence.labels(*version, name) for name in bin_names(bounds)],
            self.unfamiliar.labels(*version) if has_threshold else None,
        )

    def _show(
        self, version: tuple[str, str], labels: Sequence[str], baseline: Baseline, *, has_threshold: bool
    ) -> None:
        """Set the gauges of the baseline. has_threshold: whether the variant that answers has an energy threshold."""
        for each in baseline.classes:
            self.baseline_classes.labels(*version, str(each.class_id), labels[each.class_id]).set(each.share)
        if baseline.other is not None:
            self.baseline_classes.labels(*version, OTHER, OTHER).set(baseline.other)
        for name, share in zip(baseline.bins, baseline.confidence, strict=True):
            self.baseline_confidence.labels(*version, name).set(share)
        if baseline.unfamiliar is not None and has_threshold:
            self.baseline_unfamiliar.labels(*version).set(baseline.unfamiliar)
        self.baseline_images.labels(*version).set(baseline.images)

    def forget(self, model: str, version: str) -> None:
        """Remove all series of a version that is no longer served."""
        for metric in vars(self).values():
            labels = {tuple(sample.labels.values()) for family in metric.collect() for sample in family.samples}
            for values in labels:
                if values[:2] == (model, version):
                    metric.remove(*values)


class AnswerObserver:
    """Counts the answers of one version. For the event loop; takes about a microsecond for each."""

    def __init__(
        self,
        classes: Mapping[int, Counter],
        others: Counter | None,
        bounds: tuple[float, ...],
        bins: list[Counter],
        unfamiliar: Counter | None,
    ) -> None:
        """Create an observer.

        classes: by class_id. others: for all classes that are not in `classes`; None where these are not counted.
        bins: one more than bounds.
        """
        self._classes, self._others = classes, others
        self._bounds, self._bins = bounds, bins
        self._unfamiliar = unfamiliar

    def observe(self, class_id: int, confidence: float, unfamiliar: bool | None) -> None:
        """Count one answer, by its most probable class and the probability of that class.

        unfamiliar: whether its energy is above the threshold; None where there is no threshold.
        """
        counter = self._classes.get(class_id, self._others)
        if counter is not None:
            counter.inc()
        self._bins[bisect_left(self._bounds, confidence)].inc()
        if unfamiliar and self._unfamiliar is not None:
            self._unfamiliar.inc()


def _named_classes(manifest: Manifest) -> tuple[int, ...]:
    """Return the ids of the classes with a series of their own: those of the baseline.

    Without a baseline all classes where they are few enough, else none: nothing says which are frequent.
    """
    if (baseline := manifest.calibration.baseline) is not None:
        return tuple(each.class_id for each in baseline.classes)
    return tuple(range(len(manifest.labels))) if len(manifest.labels) <= BASELINE_CLASSES else ()
