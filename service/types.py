"""The vocabulary that the rooms share.

Defines the contracts `Engine` and `Submitter`, and the values that pass between them.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from models.contract import Pixels, Row
from service.errors import EngineFailure

UNKNOWN_CLIENT = 0
"""The identity of all clients that have neither an API key nor an address, as on a Unix socket."""
_CLIENT_STATE = "snellen.client"
"""Key of the ClientState in the ASGI scope of a request."""
NON_FINITE_OUTPUT = (
    "the network's output for this image holds NaN or infinity; "
    "where it is served in half precision, precision=fp32 may help"
)
"""Error detail for an output with NaN or infinity.

Half precision (fp16) can overflow on an image that none of the bundle's golden images resembles.
"""


class Batch(NamedTuple):
    """The input of one engine run.

    images: uint8 [N, H, W, C]. class_map: whether the class maps are needed too.
    only_request: whether the engine has nothing else to run meanwhile, so that it may use all threads for this batch.
    """

    images: Pixels
    class_map: bool = False
    only_request: bool = False


class Prediction(NamedTuple):
    """The output of one engine run: float32 [N, K] and, if class maps were requested, float32 [N, K, h, w].

    energies: float32 [N], -log sum exp(logits) in nats; None where the bundle has no threshold for them.
    """

    probabilities: NDArray[np.float32]
    class_map: NDArray[np.float32] | None = None
    energies: NDArray[np.float32] | None = None


class DensePrediction(NamedTuple):
    """The output for one image of any size: float32 probabilities and logits [K], float32 class map [K, h, w].

    energy: as in Prediction.
    """

    probabilities: NDArray[np.float32]
    logits: NDArray[np.float32]
    class_map: NDArray[np.float32]
    energy: float | None = None


class Engine(Protocol):
    """Runs batches on one device, up to `concurrency` at a time."""

    @property
    def provider(self) -> str:
        """Short name of the execution provider in use: cpu, cuda, ..."""
        ...

    @property
    def concurrency(self) -> int: ...

    @property
    def threads_per_batch(self) -> int: ...

    @property
    def single_image_threads(self) -> int:
        """Threads for a batch of one image while the engine has nothing else to run."""
        ...

    def run(self, batch: Batch) -> Prediction:
        """Run a batch in the calling thread. Raises EngineFailure when the model cannot be run."""
        ...

    async def predict(self, make: Callable[[], Batch]) -> Prediction:
        """Call `make` and run the batch it returns, both in a thread of the engine.

        Cancelling this coroutine stops the run soon.
        Raises EngineFailure when the model cannot be run, and any exception that `make` raises.
        """
        ...

    async def predict_dense(self, image: Pixels) -> DensePrediction:
        """Run one image of any size, uint8 [H, W, C]. Raises EngineFailure when the model cannot be run."""
        ...

    def close(self) -> None: ...


@dataclass
class EngineInfo:
    """The properties of an engine that clients can read; the engine runs in this process or in another one.

    provider: short name of the execution provider in use. concurrency: batches that run at a time.
    single_image_threads: threads for a batch of one image while the engine has nothing else to run.
    """

    provider: str
    concurrency: int
    threads_per_batch: int
    single_image_threads: int


class Priority(StrEnum):
    """The priority of a request. Bulk images run only while no interactive image needs the engine."""

    INTERACTIVE = "interactive"
    BULK = "bulk"


class Payload(Protocol):
    """One image in a queue: decoded pixels, or encoded bytes that are decoded later."""

    @property
    def deferred(self) -> bool:
        """Whether `pixels` decodes the image."""
        ...

    @property
    def needs_thread(self) -> bool:
        """Whether decoding takes longer than handing the work to another thread."""
        ...

    def pixels(self) -> Pixels:
        """Return uint8 [H, W, C]. Called in the thread that runs the engine. Raises any error of decoding."""
        ...


class ReadyPixels:
    """A payload that is already decoded: uint8 [H, W, C]."""

    __slots__ = ("_pixels",)
    deferred = needs_thread = False

    def __init__(self, pixels: Pixels) -> None:
        self._pixels = pixels

    def pixels(self) -> Pixels:
        """Return the pixels unchanged."""
        return self._pixels


class EngineResult(NamedTuple):
    """The output of the network for one image: probabilities [K], and the class map [K, h, w] if it was requested.

    queue_s: seconds in the queue. infer_s: seconds of the engine run of the batch.
    decode_s: seconds to decode all deferred images of the batch; 0 for an image that was decoded before.
    energy: as in Prediction. batch_size: images that were run together with this one, itself included.
    """

    probabilities: Row
    class_map: Row | None
    queue_s: float
    infer_s: float
    decode_s: float = 0.0
    energy: float | None = None
    batch_size: int = 1


class Submitter(Protocol):
    """Passes images to an engine, in this process or in another one."""

    async def submit(
        self,
        payload: Payload,
        class_map: bool = False,
        priority: Priority = Priority.INTERACTIVE,
        client: int = UNKNOWN_CLIENT,
    ) -> EngineResult:
        """Return the network's output for one image. client: identity of the client; clients take turns.

        Cancelling this coroutine, at a deadline or because the client has left, also cancels the work for the image.
        Raises QueueFull, EngineFailure, NotReady, and any exception of `payload.pixels`.
        """
        ...

    async def stop(self) -> None: ...


class ClientState:
    """The state of a request's connection that the application needs.

    has_left: whether the client has disconnected.
    task: the task that works for the client and is cancelled when the client disconnects.
    Only our own connection class sets this state; another ASGI server does not offer one.
    """

    __slots__ = ("has_left", "task")

    def __init__(self) -> None:
        self.has_left = False
        self.task: asyncio.Task[Any] | None = None

    def leave(self) -> None:
        """Record that the client has disconnected, and cancel the task that works for the client."""
        self.has_left = True
        if self.task is not None:
            self.task.cancel()


def attach_client_state(scope: Any) -> None:
    """Attach a new ClientState to the scope of a request, before the application receives the scope."""
    scope[_CLIENT_STATE] = ClientState()


def client_state_of(scope: Any) -> ClientState | None:
    """Return the state that the connection attached to the request, or None with another ASGI server."""
    return scope.get(_CLIENT_STATE)  # type: ignore[no-any-return]


def check_finite(*outputs: NDArray[np.float32]) -> None:
    """Check the outputs for one image. Raises EngineFailure when one holds NaN or infinity."""
    if not all(np.isfinite(output).all() for output in outputs):
        raise EngineFailure(NON_FINITE_OUTPUT)
