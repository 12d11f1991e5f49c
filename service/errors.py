"""The errors of the service, as a tree of exceptions; `api/problems.py` maps each one to an HTTP response.

ServiceError
├── BodyError: EmptyBody, BodyTooLarge, MalformedBody, BodyTimeout, TooManyImages
├── ImageError: UnsupportedFormat, CorruptImage, TooManyPixels, TooSmall, TooManyCells, DecodeLimit
├── ModelError: ModelNotFound, VersionNotFound, InvalidOption, NotCalibrated, NoClassMap, NotDense, Conflict
├── AccessError: Unauthenticated, Forbidden
├── Unavailable: QueueFull, NotReady, RateLimited (all carry `retry_after_s`)
└── DeadlineExceeded, EngineFailure
"""

from typing import TypeVar

Raised = TypeVar("Raised", bound=BaseException)


class ServiceError(Exception):
    """Base of all errors of the service. `detail` is written for the client: what happened, and what to change."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class BodyError(ServiceError):
    """The body of the request cannot be split into images."""


class EmptyBody(BodyError):
    """The body holds no image."""


class BodyTooLarge(BodyError):
    """The body has more bytes than the service accepts."""


class MalformedBody(BodyError):
    """The form or the JSON cannot be parsed."""


class BodyTimeout(BodyError):
    """The body did not arrive within the time limit."""


class TooManyImages(BodyError):
    """The request holds more images than the limit."""


class ImageError(ServiceError):
    """One image cannot be classified. The other images of the request are not affected."""


class UnsupportedFormat(ImageError):
    """The bytes are not an image of an accepted format."""


class CorruptImage(ImageError):
    """The bytes begin like an image but cannot be decoded."""


class TooManyPixels(ImageError):
    """The image has more pixels than the service decodes."""


class TooSmall(ImageError):
    """The image is smaller than the model's input, so that it cannot be classified without enlarging it."""


class TooManyCells(ImageError):
    """The grid of classes would exceed the limit for one response."""


class DecodeLimit(ImageError):
    """Decoding the image would take more time or memory than the limit for one image."""


class ModelError(ServiceError):
    """The request does not fit the models that are loaded."""


class ModelNotFound(ModelError):
    """There is no model of that name."""


class VersionNotFound(ModelError):
    """The model has no such version."""


class InvalidOption(ModelError):
    """A parameter is well formed but outside the range of the model."""


class NotCalibrated(ModelError):
    """Prediction sets were requested, but the bundle has no threshold for that coverage."""


class NoClassMap(ModelError):
    """A heatmap was requested, but the graph has no class map."""


class NotDense(ModelError):
    """Dense classification was requested, but the network takes images of one size only."""


class Conflict(ModelError):
    """The change would leave requests without an answer, or cannot be made in the present state."""


class AccessError(ServiceError):
    """The request may not be answered for this client. Neither error says which keys exist."""


class Unauthenticated(AccessError):
    """The request has no valid API key. given: whether it had one at all."""

    def __init__(self, detail: str, *, given: bool = False) -> None:
        super().__init__(detail)
        self.given = given


class Forbidden(AccessError):
    """The API key is valid, but lacks a scope or a model. scope: what is missing; None where it is the model."""

    def __init__(self, detail: str, scope: str | None = None) -> None:
        super().__init__(detail)
        self.scope = scope


class Unavailable(ServiceError):
    """The service cannot accept the request now. The client can send it again after `retry_after_s` seconds."""

    def __init__(self, detail: str, retry_after_s: float = 1.0) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class QueueFull(Unavailable):
    """Accepting this request would exceed a limit of memory, of queue length or of waiting time.

    over_share: whether there is room, but not for this client, which holds its share.
    """

    def __init__(self, detail: str, retry_after_s: float = 1.0, *, over_share: bool = False) -> None:
        super().__init__(detail, retry_after_s)
        self.over_share = over_share


class NotReady(Unavailable):
    """The model is being loaded, was rejected at load, or the service is draining."""


class RateLimited(Unavailable):
    """The client has sent more images per second than its limit."""


class DeadlineExceeded(ServiceError):
    """The deadline has passed, or would pass before the response."""


class EngineFailure(ServiceError):
    """The model could not be run; the cause is in the log."""


def released(error: Raised) -> Raised:
    """Remove the traceback, cause and context from the error and from its causes, and return the error.

    The frames of a traceback hold the body and the pixels of the request. A frame often refers to the error too, and
    such a cycle would keep that memory until the garbage collector runs.
    """
    chain: list[BaseException | None] = [error]
    while chain:
        if (link := chain.pop()) is not None:
            link.__traceback__ = None
            chain += (link.__cause__, link.__context__)
            link.__cause__ = link.__context__ = None
    return error
