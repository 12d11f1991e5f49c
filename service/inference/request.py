"""The classification request, independent of the protocol."""

from collections.abc import Sequence
from typing import NamedTuple

from service.errors import ServiceError
from service.types import UNKNOWN_CLIENT, Priority


class ClassifyRequest(NamedTuple):
    """One classification request.

    images: encoded images in order; an error stands for an image that could not be read. model, version: None for the
    default. top_k: None for the default of the use case. coverage: of the prediction set, 0 to 1, None for no set.
    dense: classify all parts of a large image. deadline_s: seconds from the arrival of the complete body.
    client: identity of the client, with which it shares the service with others.
    """

    images: Sequence[bytes | ServiceError]
    model: str | None = None
    version: str | None = None
    top_k: int | None = None
    heatmap: bool = False
    coverage: float | None = None
    dense: bool = False
    deadline_s: float = 10.0
    priority: Priority = Priority.INTERACTIVE
    client: int = UNKNOWN_CLIENT
