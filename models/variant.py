"""A variant: the network in one precision, and its scores."""

from enum import StrEnum

from pydantic import Field

from models.provenance import Provenance
from models.schema import Fraction, ManifestModel, RelativePath

LARGEST_TOLERANCE = 0.25
"""Limit of a variant's tolerance for golden images, a difference of probabilities; beyond it, it is another network."""


class Precision(StrEnum):
    """How a variant computes: number format, or float32 with most weights zero (`pruned`).

    `bf16` has no file of its own: it is the graph of fp32, computed in bfloat16 by a runtime that can.
    """

    FP32 = "fp32"
    FP16 = "fp16"
    BF16 = "bf16"
    INT8 = "int8"
    PRUNED = "pruned"


class Scores(ManifestModel):
    """The scores of one variant. `measured` false: quoted from `source`, not computed by this project.

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


class Agreement(ManifestModel):
    """The difference between a variant's probabilities and those of fp32 on the same images.

    `top1`: share of images with the same most probable class; the accuracies differ by at most 1 - `top1`.
    `mean_distance`, `max_distance`: total variation, half the sum of the absolute differences, over the images.
    """

    source: str
    images: int = Field(ge=1)
    top1: Fraction
    interval: tuple[Fraction, Fraction] | None = Field(None, description="95 % interval of top1, by photograph")
    mean_distance: Fraction
    max_distance: Fraction


class Speed(ManifestModel):
    """Images per second compared with fp32, measured in turns on one machine. `ratio`: median over the rounds."""

    machine: str
    threads: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    images_per_s: float = Field(gt=0)
    ratio: float = Field(gt=0)
    library: str | None = Field(None, description="the faster of the measured ones; null: ONNX Runtime, the only one")


class Variant(ManifestModel):
    """The network in one precision. The fields after `metrics` are set for variants derived from fp32."""

    precision: Precision
    path: RelativePath
    metrics: Scores
    agreement: Agreement | None = None
    speed: Speed | None = None
    golden_tolerance: float | None = Field(
        None, gt=0, le=LARGEST_TOLERANCE, description="of golden images, instead of the bundle's"
    )
    float_layers: tuple[str, ...] = Field((), description="layers of an int8 variant that stay float32")
    sparsity: Fraction | None = Field(None, description="share of the weights of layers that are zero")
    provenance: Provenance | None = Field(None, description="of the variant, where it was made after the bundle")
