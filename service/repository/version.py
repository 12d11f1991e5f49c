"""One version of one model: its bundle, and what became of it here."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from models.contract import Bundle, Manifest, Pixels, Precision
from service.api.v1.rendering import Rendering
from service.api.v1.schemas import State
from service.batching.admission import Admission
from service.batching.dense_queue import DenseLane
from service.batching.entry import Answer
from service.batching.queue import Priority
from service.decoding.deferred import Encoded
from service.engine.profile import Profile
from service.errors import NotReady


class EngineFacts(Protocol):
    """What clients may know of an engine, here or in another process."""

    @property
    def provider(self) -> str: ...

    @property
    def concurrency(self) -> int: ...

    @property
    def threads_per_batch(self) -> int: ...

    @property
    def lone_threads(self) -> int:
        """At most, of an image that comes alone."""
        ...


class Submits(Protocol):
    """The way to an engine, here or in another process."""

    @property
    def depth(self) -> int: ...

    async def submit(
        self,
        image: Pixels,
        class_map: bool = False,
        deadline: float | None = None,
        priority: Priority = Priority.INTERACTIVE,
    ) -> Answer:
        """The network's answer for one image, uint8 [H, W, C].

        deadline: on the clock of time.monotonic. Raises QueueFull, EngineFailure, NotReady, TimeoutError.
        """
        ...

    async def stop(self) -> None: ...


SubmitEncoded = Callable[[Encoded, bool, float], Awaitable[Answer]]
"""As `Submits.submit`, with class_map and deadline, of an engine whose threads decode; raises also what that raises."""


@dataclass(frozen=True)
class Serving:
    """A verified version at work."""

    precision: Precision
    engine: EngineFacts
    batcher: Submits
    lane: DenseLane
    admission: Admission
    max_batch_size: int
    profile: Profile
    submit_encoded: SubmitEncoded | None = None
    """Where a thread of its own for decoding would only be one more change of threads."""

    async def stop(self) -> None:
        """Let running batches end, and refuse what waits."""
        self.lane.stop()
        await self.batcher.stop()


@dataclass
class Version:
    """One bundle: its manifest, and what became of it here."""

    bundle: Bundle
    state: State = "loading"
    reason: str | None = None
    serving: Serving | None = field(default=None, repr=False)

    @property
    def manifest(self) -> Manifest:
        return self.bundle.manifest

    @cached_property
    def rendering(self) -> Rendering:
        return Rendering(self.manifest)

    @property
    def name(self) -> str:
        return f"{self.manifest.name}/{self.manifest.version}"

    @property
    def identity(self) -> str:
        """The name and the hash of the manifest: another bundle of the same name has another one."""
        return f"{self.name}@{self.bundle.sha256}"

    @property
    def labels(self) -> tuple[str, str]:
        """Of metrics: model and version."""
        return self.manifest.name, str(self.manifest.version)

    def ready(self) -> Serving:
        """Raises NotReady with the reason."""
        if self.serving is not None:
            return self.serving
        if self.state == "failed":
            raise NotReady(f"{self.name} was refused at load: {self.reason}", retry_after_s=60)
        raise NotReady(f"{self.name} is being loaded; send the request again")
