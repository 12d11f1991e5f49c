"""The schemas of the JSON API: responses, descriptions of models, and the problem document.

A field of the type `OrLeftOut` is left out of the JSON where it is None.
"""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from models.contract import Calibration, Dense, Input, Preprocessing, Scores, Task
from service.api.v1.or_left_out import OrLeftOut
from service.inference.results import Grid, Heatmap
from service.repository.state import State


class Problem(BaseModel):
    """A problem document (RFC 9457). `type` identifies the kind, `detail` says what happened and what to change."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(examples=["/problems/corrupt-image"])
    title: str
    status: int
    detail: str
    request_id: OrLeftOut[str] = Field(default=None, description="the same as the header X-Request-ID")


class Prediction(BaseModel):
    """One class and its probability, calibrated where the response says so.

    `class_id` identifies the class: two classes may have the same label.
    """

    class_id: int = Field(ge=0)
    label: str
    probability: float = Field(ge=0, le=1)
    threshold: OrLeftOut[float] = Field(
        default=None,
        ge=0,
        le=1,
        description="the probability from which on the class counts as present; multilabel only",
    )
    present: OrLeftOut[bool] = Field(
        default=None, description="whether the probability reaches the threshold; multilabel only"
    )


class PredictionSet(BaseModel):
    """The classes that together hold the true one in `coverage` of all images like those it was fitted on."""

    coverage: float
    predictions: list[Prediction]


class Result(BaseModel):
    """The result for one image, most probable class first. With dense=1, `predictions` are those of the whole image."""

    predictions: list[Prediction]
    energy: OrLeftOut[float] = Field(
        default=None,
        description="-log sum exp(logits) in nats, larger for less familiar images; left out where the model has no "
        "threshold for it",
    )
    unfamiliar: OrLeftOut[bool] = Field(
        default=None,
        description="whether the energy is above the model's threshold: the image probably shows none of the classes",
    )
    prediction_set: OrLeftOut[PredictionSet] = None
    heatmap: OrLeftOut[Heatmap] = None
    dense: OrLeftOut[Grid] = None


class FailedResult(BaseModel):
    """Replaces the result of an image that could not be classified, in a request with several images."""

    error: Problem


class ClassifyResponse(BaseModel):
    """One result per image, in the order of the request."""

    model: str
    version: str
    calibrated: bool = Field(description="whether the probabilities were calibrated on held-out images")
    weak_calibration: OrLeftOut[str] = Field(
        default=None, description="why little can be concluded from the calibration, with the number of images"
    )
    results: list[Result | FailedResult]


class BatchTime(BaseModel):
    """Measured with `concurrency` batches of this size running at a time.

    `images_per_s`: throughput of one of them, dispatch included.
    """

    batch_size: int
    milliseconds: float
    images_per_s: float


class Chosen(BaseModel):
    """The configuration that was measured to be the best on this machine, and the reason."""

    provider: str
    precision: str
    cuda_graph: bool
    concurrency: int
    threads_per_batch: int
    batch_size: int = Field(description="the largest batch that is formed")
    images_per_s: float = Field(description="with all callers at work on batches of this size, handing over included")
    milliseconds_alone: float = Field(description="of one image while nothing else runs")
    tried: int = Field(description="ways and batch sizes that were measured")
    reason: str


class EngineInfo(BaseModel):
    """The engine that runs the network."""

    provider: str = Field(examples=["cpu"], description="execution provider in use")
    precision: str
    concurrency: int = Field(description="batches at a time")
    threads_per_batch: int
    single_image_threads: int = Field(description="for an image that comes alone, where that turns out to be faster")
    max_batch_size: int
    batch_profile: list[BatchTime]
    chosen: Chosen


class ModelSummary(BaseModel):
    """One version of one model."""

    model_config = ConfigDict(protected_namespaces=())

    name: str
    version: str
    default: bool = Field(description="answers when no version is named")
    state: State
    reason: str | None = Field(default=None, description="why it failed")
    provider: str | None = None
    description: str
    classes: int
    input: Input


class ModelList(BaseModel):
    """All models and versions of the repository folder."""

    default_model: str | None = Field(description="answers where no model is named; null: none does")
    models: list[ModelSummary]
    unreadable: dict[str, str] = Field(description="folders that were passed over, and why")


class ModelDetail(ModelSummary):
    """All properties of one version."""

    versions: list[str]
    labels: list[str]
    task: Task = Field(description="single: one class of an image is true; multilabel: any number of them")
    preprocessing: Preprocessing
    metrics: dict[str, Scores]
    calibration: Calibration
    heatmap: bool
    dense: Dense | None = Field(description="how images larger than the input are classified; null: they are not")
    coverages: list[float] = Field(description="values that `coverage` accepts")
    engine: EngineInfo | None
    licence: str
    created: datetime


class Readiness(BaseModel):
    """Whether requests should be sent to this service, and why not."""

    ready: bool
    detail: str
    models: list[ModelSummary]


class Liveness(BaseModel):
    """The process responds."""

    live: Literal[True] = True
