"""One version of one model: its bundle, and what became of it here."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property

from models.contract import Bundle, Manifest, Precision
from service.admission import Gate
from service.batch_profile import BatchSeconds
from service.batching import Batcher
from service.dense_lane import DenseLane
from service.engine import OnnxEngine
from service.errors import NotReady
from service.rendering import Rendering
from service.schemas import State


@dataclass(frozen=True)
class Serving:
    """A verified version at work."""

    precision: Precision
    engine: OnnxEngine
    batcher: Batcher
    lane: DenseLane
    gate: Gate
    max_batch_size: int
    profile: list[BatchSeconds]

    @contextmanager
    def admitted(self, images: int, *, dense: bool) -> Iterator[None]:
        """Places for the images of one request. Raises QueueFull, TooManyImages."""
        with self.gate.hold(images), self.lane.hold(images if dense else 0):
            yield

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
