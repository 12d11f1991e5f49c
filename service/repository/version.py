"""One version of one model: its bundle, its state and its deployment."""

import asyncio
from dataclasses import dataclass, field
from math import ceil

from models.contract import Bundle, Manifest, Precision
from service.batching.admission import AdmissionController
from service.batching.dense_queue import DenseQueue
from service.engine.profile import Profile
from service.errors import NotReady
from service.repository.state import State
from service.telemetry.drift import AnswerObserver
from service.types import EngineInfo, Submitter

_LOOK_AGAIN_S = 0.02
"""Seconds between two looks at whether a retiring version still has accepted requests."""


@dataclass(frozen=True)
class Deployment:
    """A verified version that answers requests."""

    precision: Precision
    engine: EngineInfo
    batcher: Submitter
    dense_queue: DenseQueue
    admission: AdmissionController
    answers: AnswerObserver
    max_batch_size: int
    profile: Profile
    decodes: bool = False
    """Whether the engine's threads decode images too.

    If they do, small images need no decode thread, which would only add a change of threads.
    """

    async def drained(self, limit_s: float) -> bool:
        """Wait until every accepted request is answered, at most `limit_s`, and return whether all are."""
        for _ in range(ceil(limit_s / _LOOK_AGAIN_S)):
            if not self.admission.inside:
                return True
            await asyncio.sleep(_LOOK_AGAIN_S)
        return not self.admission.inside

    async def stop(self) -> None:
        """Let running batches end, and fail the entries that wait."""
        self.dense_queue.stop()
        await self.batcher.stop()


@dataclass(eq=False)
class ModelVersion:
    """One bundle, and its state in this process."""

    bundle: Bundle
    state: State = "discovered"
    reason: str | None = None
    serving: Deployment | None = field(default=None, repr=False)

    @property
    def manifest(self) -> Manifest:
        return self.bundle.manifest

    @property
    def name(self) -> str:
        return f"{self.manifest.name}/{self.manifest.version}"

    @property
    def identity(self) -> str:
        """The name and the hash of the manifest; differs for another bundle of the same name."""
        return f"{self.name}@{self.bundle.sha256}"

    @property
    def labels(self) -> tuple[str, str]:
        """Labels of its metrics: model and version."""
        return self.manifest.name, str(self.manifest.version)

    @property
    def provider(self) -> str | None:
        """Short name of the execution provider that runs it; None while it is not open."""
        return self.serving.engine.provider if self.serving is not None else None

    def ready(self) -> Deployment:
        """Return the deployment. Raises NotReady with the reason."""
        if self.serving is not None and self.state == "ready":
            return self.serving
        if self.state == "failed":
            raise NotReady(f"{self.name} was refused at load: {self.reason}", retry_after_s=60)
        if self.state == "retiring":
            raise NotReady(f"{self.name} is being retired; send the request to another version", retry_after_s=60)
        raise NotReady(f"{self.name} is being loaded ({self.state}); send the request again")
