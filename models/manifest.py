"""The manifest of a bundle: the model, its preprocessing, its measured scores, its provenance."""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from models.calibration import Calibration
from models.provenance import Provenance
from models.schema import Channel, ManifestModel, ModelName, RelativePath, Sha256
from models.variant import Precision, Variant

FULL_BITS = 16
"""Bits a pixel of a grey image that has more than 8 of them."""
DEFAULT_THRESHOLD = 0.5
"""Threshold of each class of the task `multilabel` where the calibration has none."""


class Task(StrEnum):
    """What the classes of an image are to each other.

    SINGLE: one of them is true, and the probabilities are a softmax. MULTILABEL: any number of them is true, and each
    probability is a sigmoid of its own.
    """

    SINGLE = "single"
    MULTILABEL = "multilabel"


class Colour(StrEnum):
    """The colour mode of the network's input, by Pillow's name."""

    RGB = "RGB"
    L = "L"

    @property
    def channels(self) -> int:
        return 3 if self is Colour.RGB else 1


class Input(ManifestModel):
    """Shape of one image of the graph's input: uint8 [height, width, colour.channels]."""

    colour: Colour
    height: int = Field(ge=1, le=4096)
    width: int = Field(ge=1, le=4096)

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.height, self.width, self.colour.channels


Resize = Literal["crop", "squash", "pad"]


class Preprocessing(ManifestModel):
    """How an image of any size becomes `Input`.

    resize: `crop` keeps the centred part with the input's aspect ratio, `crop_fraction` of the largest such part per
    side; `squash` keeps the whole image and changes its aspect ratio; `pad` keeps the whole image and its aspect ratio,
    centred, with `pad_colour` on two sides (a letterbox; version 2). background: colour behind transparent pixels.
    Colours are RGB, 0 to 255 each; for a grey input they are converted as the image is. bits: how many bits of grey
    images with 16 bits a pixel are in use, as 12 of the values 0 to 4095; the upper 8 of them are read, and larger
    values are white. It is written where it is not 16 (version 2).
    """

    resize: Resize = "crop"
    crop_fraction: float = Field(default=1.0, gt=0, le=1)
    interpolation: Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"] = "bicubic"
    background: tuple[Channel, Channel, Channel] = (255, 255, 255)
    pad_colour: tuple[Channel, Channel, Channel] = (0, 0, 0)
    bits: int = Field(default=FULL_BITS, ge=8, le=FULL_BITS, exclude_if=lambda bits: bits == FULL_BITS)


class File(ManifestModel):
    """One file of the bundle. `path` is relative to the manifest."""

    path: RelativePath
    sha256: Sha256
    bytes: int = Field(ge=0)


class Golden(ManifestModel):
    """Encoded images under `golden/` and, in `probabilities`, a JSON object of path -> probabilities [K]."""

    images: tuple[RelativePath, ...] = Field(min_length=1)
    probabilities: RelativePath
    tolerance: float = Field(gt=0, le=0.1, description="largest absolute difference of any probability")


class Dense(ManifestModel):
    """The graph accepts images larger than `Input` and classifies every part of them in one pass.

    `stride`: pixels from one cell of the class map to the next, down and across. `window`: cells of the class map of an
    image of the input's size, down and across; their mean is the network's output for that image.
    """

    stride: tuple[int, int]
    window: tuple[int, int]


class Manifest(ManifestModel):
    """The content of `manifest.json`. Labels are in the order of the graph's K outputs; two may be equal.

    The fields of version 2 have defaults with which a manifest of version 1 means what it meant.
    """

    schema_version: Literal[1, 2] = Field(2, description="version of this format; others are refused")
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
    dense: Dense | None = Field(None, description="of a fully convolutional network with a class map")
    task: Task = Field(Task.SINGLE, description="whether one class of an image is true, or any number (version 2)")
    max_batch: int | None = Field(
        None, ge=1, description="images that the graph takes at a time; null: any number (version 2)"
    )
    calibration: Calibration
    golden: Golden
    provenance: Provenance

    def variant(self, precision: Precision) -> Variant | None:
        return next((variant for variant in self.variants if variant.precision is precision), None)

    @property
    def calibrated(self) -> bool:
        """Whether the probabilities fit held-out images; of the task `multilabel` only thresholds are fitted."""
        return self.task is Task.SINGLE and self.calibration.fitted_on is not None

    @property
    def thresholds(self) -> tuple[float, ...]:
        """The probability from which on each class counts as present; empty for the task `single`."""
        if self.task is Task.SINGLE:
            return ()
        return self.calibration.thresholds or (DEFAULT_THRESHOLD,) * len(self.labels)

    def energy_threshold(self, precision: Precision) -> float | None:
        """Return the energy above which an image is unfamiliar to this variant; None where no threshold holds for it.

        A pruned variant has none: it is trained to the probabilities of fp32, which say nothing about the level of its
        logits. The other variants round the numbers of fp32 and keep that level.
        """
        energy = self.calibration.energy
        return None if energy is None or precision is Precision.PRUNED else energy.threshold

    @model_validator(mode="after")
    def _refers_to_listed_files(self) -> Self:
        listed = {file.path for file in self.files}
        used = {v.path for v in self.variants} | {*self.golden.images, self.golden.probabilities}
        if missing := sorted(used - listed):
            raise ValueError(f"not listed under files with a hash: {', '.join(missing)}")
        full, half = self.variant(Precision.FP32), self.variant(Precision.BF16)
        if full is None:
            raise ValueError("a bundle has an fp32 variant")
        if half is not None and half.path != full.path:
            raise ValueError(f"the bf16 variant is the graph of fp32: its path is {full.path}")
        return self

    @model_validator(mode="after")
    def _keeps_to_its_version_and_task(self) -> Self:
        if self.schema_version == 1:
            if self.task is not Task.SINGLE or self.max_batch is not None or self.calibration.thresholds:
                raise ValueError("task, max_batch and thresholds need schema_version 2")
            if self.preprocessing.resize == "pad":
                raise ValueError("preprocessing.resize: pad needs schema_version 2")
            if self.calibration.baseline is not None:
                raise ValueError("calibration.baseline needs schema_version 2")
            if self.preprocessing.bits != FULL_BITS:
                raise ValueError("preprocessing.bits needs schema_version 2")
            if len(set(self.labels)) != len(self.labels):
                raise ValueError("two classes share a label, which needs schema_version 2")
        if self.calibration.thresholds and len(self.calibration.thresholds) != len(self.labels):
            raise ValueError("there is not one threshold for each label")
        if self.task is Task.SINGLE and self.calibration.thresholds:
            raise ValueError("thresholds of classes are for the task multilabel")
        if self.task is Task.MULTILABEL and (self.calibration.prediction_sets or self.calibration.energy):
            raise ValueError("prediction sets and an energy threshold need the task single")
        return self

    @model_validator(mode="after")
    def _has_a_baseline_of_its_classes(self) -> Self:
        baseline = self.calibration.baseline
        if baseline is None:
            return self
        if reason := baseline.misfit(len(self.labels)):
            raise ValueError(f"calibration.baseline.classes: {reason}")
        if baseline.unfamiliar is not None and self.calibration.energy is None:
            raise ValueError("calibration.baseline.unfamiliar is a share above calibration.energy, which is null")
        return self
