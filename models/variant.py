"""The network in one precision, and what it scored."""

from enum import StrEnum

from pydantic import Field

from models.parts import Fraction, Part, RelativePath


class Precision(StrEnum):
    """Number format of a variant's weights."""

    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"


class Metrics(Part):
    """What one variant scored. `measured` false: quoted from `source`, not computed by this project.

    `ece` has bins of equal width, `adaptive_ece` bins of equally many images.
    """

    measured: bool
    source: str
    images: int | None = Field(default=None, ge=1)
    top1: Fraction | None = None
    top5: Fraction | None = None
    nll: float | None = Field(default=None, ge=0)
    ece: Fraction | None = None
    adaptive_ece: Fraction | None = None


class Variant(Part):
    """The network in one precision."""

    precision: Precision
    path: RelativePath
    metrics: Metrics
