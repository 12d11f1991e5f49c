"""The baseline of a bundle: what the network answered for held-out images, which live traffic is compared with.

docs/drift.md explains how they are compared.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Self

from pydantic import Field, model_validator

from models.schema import Fraction, ManifestModel

BASELINE_CLASSES = 50
"""Limit of the shares of a class mix, `other` among them: each is a time series of Prometheus for each version."""
CONFIDENCE_BOUNDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
"""Bounds between the bins of the confidence that new baselines have; closer near 1, where most images of a good network
are.
"""
_LARGEST_BINS = 50
_ROUNDING = 1e-3
"""Allowed distance of a sum of shares from 1."""


def bin_names(bounds: Sequence[float]) -> tuple[str, ...]:
    """Return the names of the bins between 0, the bounds and 1, such as "0.9 to 0.95"; one more than bounds."""
    return tuple(f"{low:g} to {high:g}" for low, high in pairwise((0, *bounds, 1)))


class ClassShare(ManifestModel):
    """The share of the images whose most probable class is this one. `class_id`: its index among the labels."""

    class_id: int = Field(ge=0)
    share: Fraction


class Baseline(ManifestModel):
    """Class mix and confidence of the answers for `images` images of `measured_on`.

    `classes`: shares by the most probable class, of all classes; where the network has more than 50 classes, of the 49
    most frequent, and `other` is the share of the rest. `confidence`: shares by the probability of that class, one more
    than `bounds`: share i is of the probabilities above bound i - 1 and at most bound i. `unfamiliar`: share of the
    images above the energy threshold; None where there is no threshold.
    """

    measured_on: str
    images: int = Field(ge=1)
    classes: tuple[ClassShare, ...] = Field(min_length=1, max_length=BASELINE_CLASSES)
    other: Fraction | None = None
    bounds: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(min_length=1, max_length=_LARGEST_BINS - 1)
    confidence: tuple[Fraction, ...] = Field(min_length=2, max_length=_LARGEST_BINS)
    unfamiliar: Fraction | None = None

    @property
    def bins(self) -> tuple[str, ...]:
        """Names of the bins of the confidence, such as "0.9 to 0.95", the lowest first."""
        return bin_names(self.bounds)

    def misfit(self, classes: int) -> str | None:
        """Return why the class mix is not one of a network of so many classes; None if it is."""
        named = [each.class_id for each in self.classes]
        if max(named) >= classes:
            return f"there is no class {max(named)}: class_id is at most {classes - 1}"
        if len(named) < classes and self.other is None:
            return f"it names {len(named)} of {classes} classes, and `other` has no share"
        if len(named) == classes and self.other is not None:
            return "it names all classes, so `other` has to be null"
        return None

    @model_validator(mode="after")
    def _is_two_distributions(self) -> Self:
        if len({each.class_id for each in self.classes}) != len(self.classes):
            raise ValueError("classes name a class twice")
        if self.other is not None and len(self.classes) == BASELINE_CLASSES:
            raise ValueError(f"classes are at most {BASELINE_CLASSES - 1} beside `other`")
        if any(low >= high for low, high in pairwise(self.bounds)):
            raise ValueError("bounds do not increase")
        if len(self.confidence) != len(self.bounds) + 1:
            raise ValueError(
                f"confidence has {len(self.confidence)} shares for {len(self.bounds)} bounds, not one more"
            )
        mix = sum(each.share for each in self.classes) + (self.other or 0)
        for name, total in (("classes with `other`", mix), ("confidence", sum(self.confidence))):
            if abs(total - 1) > _ROUNDING:
                raise ValueError(f"the shares of {name} sum to {total:.4g}, not to 1")
        return self
