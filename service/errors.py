"""What can go wrong, as data; `problems.py` gives each its HTTP face.

ServiceError
├── BodyError: EmptyBody, BodyTooLarge, MalformedBody, BodyTimeout, TooManyImages
├── ImageError: UnsupportedFormat, CorruptImage, TooManyPixels, TooSmall, TooManyCells, DecodeLimit
├── ModelError: ModelNotFound, VersionNotFound, InvalidOption, NotCalibrated, NoClassMap, NotDense
├── Unavailable: QueueFull, NotReady (both know when to come back)
└── DeadlineExceeded, EngineFailure
"""

from typing import TypeVar

Raised = TypeVar("Raised", bound=BaseException)


class ServiceError(Exception):
    """`detail` is for the client: what happened and what to do about it."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class BodyError(ServiceError):
    """The request's body cannot be taken apart into images."""


class EmptyBody(BodyError):
    """There is no image in it."""


class BodyTooLarge(BodyError):
    """More bytes than the service takes."""


class MalformedBody(BodyError):
    """The form or the JSON does not parse."""


class BodyTimeout(BodyError):
    """The client stopped sending."""


class TooManyImages(BodyError):
    """More images than one request may hold."""


class ImageError(ServiceError):
    """One image cannot be classified; its neighbours can."""


class UnsupportedFormat(ImageError):
    """Not an image of an accepted format."""


class CorruptImage(ImageError):
    """Starts like an image but cannot be decoded."""


class TooManyPixels(ImageError):
    """Larger than the service decodes."""


class TooSmall(ImageError):
    """At its own scale it is smaller than what the model was trained on."""


class TooManyCells(ImageError):
    """The grid of its classes would be larger than an answer may be."""


class DecodeLimit(ImageError):
    """Decoding it would take more time or memory than one image may."""


class ModelError(ServiceError):
    """The request does not fit the models that are loaded."""


class ModelNotFound(ModelError):
    """No model of that name."""


class VersionNotFound(ModelError):
    """The model has no such version."""


class InvalidOption(ModelError):
    """A parameter is well formed but out of the model's range."""


class NotCalibrated(ModelError):
    """Prediction sets were asked of a bundle without thresholds for that coverage."""


class NoClassMap(ModelError):
    """A heatmap was asked of a graph without a class map."""


class NotDense(ModelError):
    """Images larger than the input were asked of a network that cannot take them."""


class Unavailable(ServiceError):
    """Come back after `retry_after_s` seconds."""

    def __init__(self, detail: str, retry_after_s: float = 1.0) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class QueueFull(Unavailable):
    """Accepting this request would take more memory or time than there is."""


class NotReady(Unavailable):
    """The model is being loaded, was refused at load, or the service is draining."""


class DeadlineExceeded(ServiceError):
    """The answer would come too late."""


class EngineFailure(ServiceError):
    """The model could not be run; the cause is in the log."""


def released(error: Raised) -> Raised:
    """The same, without the frames that it and its causes came through: they hold the request's body and pixels.

    A frame often holds the error too, and then all of that would stay until the garbage collector comes.
    """
    chain: list[BaseException | None] = [error]
    while chain:
        if (link := chain.pop()) is not None:
            link.__traceback__ = None
            chain += (link.__cause__, link.__context__)
            link.__cause__ = link.__context__ = None
    return error
