"""The manifest of a bundle: what a model is, how its pixels are made, what was measured, where it came from."""

from datetime import datetime
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _stay_inside(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\\" in path:
        raise ValueError(f"{path!r} does not stay inside the bundle")
    return path


def _between_0_and_1(text: str) -> str:
    """Raises ValueError, which is also what float() raises for a text that is no number."""
    if not 0 < float(text) < 1:
        raise ValueError(f"{text!r} is not between 0 and 1")
    return text


ModelName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
RelativePath = Annotated[str, AfterValidator(_stay_inside)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Fraction = Annotated[float, Field(ge=0, le=1)]
Coverage = Annotated[str, AfterValidator(_between_0_and_1)]
"""A wanted coverage as text, since the keys of a JSON object are texts: "0.9"."""
Channel = Annotated[int, Field(ge=0, le=255)]


class Precision(StrEnum):
    """Number format of a variant's weights."""

    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"


class Colour(StrEnum):
    """Pillow's name of the colour mode that the network was trained on."""

    RGB = "RGB"
    L = "L"

    @property
    def channels(self) -> int:
        return 3 if self is Colour.RGB else 1


class Input(_Part):
    """Shape of one image as the graph takes it: uint8 [height, width, colour.channels]."""

    colour: Colour
    height: int = Field(ge=1, le=4096)
    width: int = Field(ge=1, le=4096)

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.height, self.width, self.colour.channels


class Preprocessing(_Part):
    """How a picture of any size becomes `Input`.

    resize `crop`: the centred part with the input's aspect ratio, `crop_fraction` of its full length a side;
    `squash`: the whole picture, aspect ratio given up. `background` is what transparent pixels show.
    """

    resize: Literal["crop", "squash"] = "crop"
    crop_fraction: float = Field(default=1.0, gt=0, le=1)
    interpolation: Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"] = "bicubic"
    background: tuple[Channel, Channel, Channel] = (255, 255, 255)


class File(_Part):
    """One file of the bundle, its path relative to the manifest."""

    path: RelativePath
    sha256: Sha256
    bytes: int = Field(ge=0)


class Metrics(_Part):
    """What one variant scored. `measured` false: quoted from `source`, not computed by this project."""

    measured: bool
    source: str
    images: int | None = Field(default=None, ge=1)
    top1: Fraction | None = None
    top5: Fraction | None = None
    nll: float | None = Field(default=None, ge=0)
    ece: Fraction | None = None


class Variant(_Part):
    """The network in one precision."""

    precision: Precision
    path: RelativePath
    metrics: Metrics


class PredictionSets(_Part):
    """Adaptive prediction sets (Romano, Sesia and Candes, 2020), in their deterministic form.

    The set of an image is the smallest number of classes, most probable first, whose probabilities sum to at
    least the threshold of the wanted coverage. `thresholds` maps coverage to that sum.
    """

    fitted_on: str
    images: int = Field(ge=1)
    thresholds: dict[Coverage, Fraction]
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


class Calibration(_Part):
    """Softmax temperature, already inside the graph. `fitted_on` None: no held-out data was at hand."""

    temperature: float = Field(gt=0)
    fitted_on: str | None
    images: int | None = Field(default=None, ge=1)
    nll_before: float | None = None
    nll_after: float | None = None
    ece_before: Fraction | None = None
    ece_after: Fraction | None = None
    prediction_sets: PredictionSets | None = None
    note: str


class Golden(_Part):
    """Encoded images under `golden/` and, in `probabilities`, a JSON object of path -> probabilities [K]."""

    images: tuple[RelativePath, ...] = Field(min_length=1)
    probabilities: RelativePath
    tolerance: float = Field(gt=0, le=0.1, description="largest absolute difference of any probability")


class Provenance(_Part):
    """How to make it again."""

    dataset: str
    licence: str
    command: str
    commit: str
    libraries: dict[str, str]
    created: datetime
    seed: int | None = None
    duration_s: float | None = Field(default=None, ge=0)
    notes: tuple[str, ...] = ()


class Manifest(_Part):
    """`manifest.json`. Labels are in the order of the graph's K outputs."""

    schema_version: Literal[1] = Field(1, description="version of this format; a reader refuses one it does not know")
    name: ModelName
    version: int = Field(ge=1)
    description: str
    architecture: str
    parameters: int = Field(ge=1)
    labels: tuple[Annotated[str, StringConstraints(min_length=1)], ...] = Field(min_length=2)
    input: Input
    preprocessing: Preprocessing
    files: tuple[File, ...]
    variants: tuple[Variant, ...] = Field(min_length=1)
    class_map: bool = Field(description="whether the graph has the output of that name")
    calibration: Calibration
    golden: Golden
    provenance: Provenance

    def variant(self, precision: Precision) -> Variant | None:
        return next((variant for variant in self.variants if variant.precision is precision), None)

    @model_validator(mode="after")
    def _refers_to_listed_files(self) -> Self:
        listed = {file.path for file in self.files}
        used = {v.path for v in self.variants} | {*self.golden.images, self.golden.probabilities}
        if missing := sorted(used - listed):
            raise ValueError(f"not listed under files with a hash: {', '.join(missing)}")
        if self.variant(Precision.FP32) is None:
            raise ValueError("a bundle has an fp32 variant")
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("two classes share a label")
        return self
