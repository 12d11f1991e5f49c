"""The manifest of a bundle: the model, its preprocessing, its measured scores, its provenance."""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from models.calibration import Calibration
from models.provenance import Provenance
from models.schema import Channel, ManifestModel, ModelName, RelativePath, Sha256
from models.variant import Precision, Variant


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


class Preprocessing(ManifestModel):
    """How an image of any size becomes `Input`.

    resize: `crop` keeps the centred part with the input's aspect ratio, `crop_fraction` of the largest such part per
    side; `squash` keeps the whole image and changes its aspect ratio. background: colour behind transparent pixels,
    RGB.
    """

    resize: Literal["crop", "squash"] = "crop"
    crop_fraction: float = Field(default=1.0, gt=0, le=1)
    interpolation: Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"] = "bicubic"
    background: tuple[Channel, Channel, Channel] = (255, 255, 255)


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
    """The content of `manifest.json`. Labels are in the order of the graph's K outputs."""

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
    dense: Dense | None = Field(None, description="of a fully convolutional network with a class map")
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
