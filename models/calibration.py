"""The calibration of the probabilities: temperature, prediction sets, reliability, out-of-distribution threshold.

docs/calibration.md explains what each number means for a decision.
"""

from typing import Self

from pydantic import Field, model_validator

from models.baseline import Baseline
from models.schema import Coverage, Fraction, ManifestModel

RELIABILITY_BINS = 15
"""Number of bins of the calibration errors and of the reliability diagram."""


class ReliabilityBin(ManifestModel):
    """Images whose largest probability is above `lower` and at most `upper`.

    confidence: mean of that probability. accuracy: share of these images whose most probable class is right.
    """

    lower: Fraction
    upper: Fraction
    confidence: Fraction
    accuracy: Fraction
    images: int = Field(ge=1)


class Reliability(ManifestModel):
    """Errors of the probabilities before and after temperature scaling, and the reliability diagram after it.

    `ece` has bins of equal width (Guo et al., ICML 2017), `adaptive_ece` bins of equally many images (Nguyen and
    O'Connor, EMNLP 2015). `bins` are those of `ece` without the empty ones, by rising confidence.
    """

    measured_on: str
    images: int = Field(ge=1)
    nll_before: float = Field(ge=0)
    nll_after: float = Field(ge=0)
    ece_before: Fraction
    ece_after: Fraction
    adaptive_ece_before: Fraction
    adaptive_ece_after: Fraction
    bins: tuple[ReliabilityBin, ...] = Field(min_length=1, max_length=RELIABILITY_BINS)

    @model_validator(mode="after")
    def _has_each_image_in_one_bin(self) -> Self:
        if sum(part.images for part in self.bins) != self.images:
            raise ValueError("the images of the bins do not add up")
        return self


class PredictionSets(ManifestModel):
    """Adaptive prediction sets (Romano, Sesia and Candes, 2020), in their deterministic form.

    The set of an image is the smallest number of classes, most probable first, whose probabilities sum to at least the
    threshold of the requested coverage. `thresholds` maps coverage to that sum; `not_fitted` maps a coverage without a
    threshold to the reason. `measured_coverage` and `mean_size` are those of `measured_on`.
    """

    fitted_on: str
    images: int = Field(ge=1)
    thresholds: dict[Coverage, Fraction]
    not_fitted: dict[Coverage, str] = {}
    measured_on: str | None = None
    measured_images: int | None = Field(default=None, ge=1)
    measured_coverage: dict[Coverage, Fraction] = {}
    mean_size: dict[Coverage, float] = {}

    @property
    def threshold_of(self) -> dict[float, float]:
        """`thresholds` with coverages as numbers, smallest first."""
        return dict(sorted((float(coverage), threshold) for coverage, threshold in self.thresholds.items()))

    @model_validator(mode="after")
    def _names_a_coverage_once(self) -> Self:
        if len(self.threshold_of) != len(self.thresholds):
            raise ValueError("two thresholds are of the same coverage")
        return self


class OutOfDistributionResult(ManifestModel):
    """How well the energy separates a set of images that show none of the classes from the test images.

    `false_positive_rate`: share of the set that the threshold wrongly accepts as familiar. `auroc`: probability that an
    image of the set has a larger energy than a test image; 0.5 is chance.
    """

    title: str
    images: int = Field(ge=1)
    false_positive_rate: Fraction
    auroc: Fraction


class EnergyThreshold(ManifestModel):
    """Energy score E = -log sum exp(logits), in nats: the larger, the less familiar (Liu et al., NeurIPS 2020).

    An image counts as familiar when E <= `threshold`; above, it probably shows none of the classes.
    `true_positive_rate`: requested share of familiar images that count as such. `measured_true_positive_rate`: that
    share on `measured_on`.
    """

    threshold: float
    true_positive_rate: Fraction
    fitted_on: str
    images: int = Field(ge=1)
    measured_on: str | None = None
    measured_images: int | None = Field(default=None, ge=1)
    measured_true_positive_rate: Fraction | None = None
    out_of_distribution: tuple[OutOfDistributionResult, ...] = Field(default=(), max_length=16)


class Calibration(ManifestModel):
    """The softmax temperature, which is already inside the graph. `fitted_on` None: there were no held-out data.

    NLL and calibration errors here are those of the images it was fitted on; `reliability` has those of others.
    `weak`: why little can be concluded from it, with the number of images; None if there were enough.
    `thresholds`: of the task multilabel, the probability from which on a class counts as present, for each class;
    without them it is 0.5 for all. `baseline`: the answers for the same images, which live traffic is compared with.
    """

    temperature: float = Field(gt=0)
    fitted_on: str | None
    images: int | None = Field(default=None, ge=1)
    nll_before: float | None = None
    nll_after: float | None = None
    ece_before: Fraction | None = None
    ece_after: Fraction | None = None
    adaptive_ece_before: Fraction | None = None
    adaptive_ece_after: Fraction | None = None
    reliability: Reliability | None = None
    prediction_sets: PredictionSets | None = None
    energy: EnergyThreshold | None = None
    weak: str | None = None
    thresholds: tuple[Fraction, ...] = ()
    baseline: Baseline | None = None
    note: str
