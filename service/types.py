"""The vocabulary that rooms share: the contracts of an engine and of the way to one, and what passes between them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from models.contract import Pixels, Row
from service.errors import EngineFailure

_CLIENT_STATE = "snellen.client"
"""Key in the scope of a request."""
NO_NUMBERS = (
    "the network's answer to this image holds values that are no numbers; "
    "where it is served in half precision, precision=fp32 may help"
)
"""What half precision may come to with an image that no golden image is like."""


class Batch(NamedTuple):
    """uint8 [N, H, W, C], whether the class maps are wanted too, whether nothing else is to be done meanwhile."""

    images: Pixels
    class_map: bool = False
    only_request: bool = False


class Prediction(NamedTuple):
    """float32 [N, K] and, if it was wanted, float32 [N, K, h, w]."""

    probabilities: NDArray[np.float32]
    class_map: NDArray[np.float32] | None = None


class DensePrediction(NamedTuple):
    """Of one image of any size: float32 probabilities and logits [K], class map [K, h, w]."""

    probabilities: NDArray[np.float32]
    logits: NDArray[np.float32]
    class_map: NDArray[np.float32]


class Engine(Protocol):
    """Runs batches on one device, up to `concurrency` at a time."""

    @property
    def provider(self) -> str:
        """The execution provider in use, by its short name: cpu, cuda, ..."""
        ...

    @property
    def concurrency(self) -> int: ...

    @property
    def threads_per_batch(self) -> int: ...

    @property
    def single_image_threads(self) -> int:
        """Threads for an image that is the only one."""
        ...

    def run(self, batch: Batch) -> Prediction:
        """Return the answer to a batch, in the calling thread. Raises EngineFailure when the model cannot be run."""
        ...

    async def predict(self, make: Callable[[], Batch]) -> Prediction:
        """Make a batch and run it, both in a thread of the engine.

        Cancelling it ends the run soon. Raises EngineFailure when the model cannot be run, and what `make` raises.
        """
        ...

    async def predict_dense(self, image: Pixels) -> DensePrediction:
        """Return the answer to one image uint8 [H, W, C] of any size. Raises EngineFailure."""
        ...

    def close(self) -> None: ...


@dataclass
class EngineInfo:
    """What clients may know of an engine, in this process or in another one.

    provider: execution provider in use. concurrency: batches at a time. single_image_threads: for an image that
    is the only one.
    """

    provider: str
    concurrency: int
    threads_per_batch: int
    single_image_threads: int


class Priority(StrEnum):
    """Bulk work fills the gaps that interactive work leaves."""

    INTERACTIVE = "interactive"
    BULK = "bulk"


class Payload(Protocol):
    """One image on its way to an engine, in whatever form."""

    @property
    def deferred(self) -> bool:
        """Whether `pixels` decodes the image."""
        ...

    @property
    def needs_thread(self) -> bool:
        """Whether decoding it takes longer than handing it to another thread."""
        ...

    def pixels(self) -> Pixels:
        """Return uint8 [H, W, C]; called in the thread that runs the engine. Raises what decoding raises."""
        ...


class ReadyPixels:
    """An image that has been decoded: uint8 [H, W, C]."""

    __slots__ = ("_pixels",)
    deferred = needs_thread = False

    def __init__(self, pixels: Pixels) -> None:
        self._pixels = pixels

    def pixels(self) -> Pixels:
        """Return the pixels as they are."""
        return self._pixels


class EngineResult(NamedTuple):
    """What the network says of one image: probabilities [K], class map [K, h, w] if it was asked for; times in seconds.

    decode_s: of all deferred images of its batch; 0 for an image that was decoded before.
    """

    probabilities: Row
    class_map: Row | None
    queue_s: float
    infer_s: float
    decode_s: float = 0.0


class Submitter(Protocol):
    """The way of an image to an engine, in this process or in another one."""

    @property
    def depth(self) -> int:
        """Images that wait for a batch."""
        ...

    async def submit(
        self,
        payload: Payload,
        class_map: bool = False,
        deadline: float | None = None,
        priority: Priority = Priority.INTERACTIVE,
    ) -> EngineResult:
        """Return the network's answer for one image.

        deadline: on the clock of time.monotonic. Raises QueueFull, EngineFailure, NotReady, TimeoutError, and what the
        payload raises.
        """
        ...

    async def stop(self) -> None: ...


class ClientState:
    """What a connection knows of a client, and the application needs: whether its request is complete, whether it left.

    The connection sets both; a server of another kind does not offer one.
    """

    __slots__ = ("has_left", "sent_all", "task")

    def __init__(self) -> None:
        self.sent_all = False
        self.has_left = False
        self.task: asyncio.Task[Any] | None = None

    def leave(self) -> None:
        """Cancel the task that works for the client."""
        self.has_left = True
        if self.task is not None:
            self.task.cancel()


def attach_client_state(scope: Any) -> None:
    """Put the state of the client into the scope of a request, before the application sees it."""
    scope[_CLIENT_STATE] = ClientState()


def client_state_of(scope: Any) -> ClientState | None:
    """Return the state that the connection attached to the request; None with another server."""
    return scope.get(_CLIENT_STATE)  # type: ignore[no-any-return]


def check_numbers(*outputs: NDArray[np.float32]) -> None:
    """Of one image. Raises EngineFailure for what holds no number."""
    if not all(np.isfinite(output).all() for output in outputs):
        raise EngineFailure(NO_NUMBERS)
