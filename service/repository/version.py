"""One version of one model: its bundle, its state and its deployment."""

from dataclasses import dataclass, field
from typing import Literal

from models.contract import Bundle, Manifest, Precision
from service.batching.admission import AdmissionController
from service.batching.dense_queue import DenseQueue
from service.engine.profile import Profile
from service.errors import NotReady
from service.types import EngineInfo, Submitter


@dataclass(frozen=True)
class Deployment:
    """A verified version that answers requests."""

    precision: Precision
    engine: EngineInfo
    batcher: Submitter
    dense_queue: DenseQueue
    admission: AdmissionController
    max_batch_size: int
    profile: Profile
    decodes: bool = False
    """Whether the engine's threads decode images too.

    If they do, small images need no decode thread, which would only add a change of threads.
    """

    async def stop(self) -> None:
        """Let running batches end, and fail the entries that wait."""
        self.dense_queue.stop()
        await self.batcher.stop()


State = Literal["loading", "ready", "failed"]


@dataclass(eq=False)
class ModelVersion:
    """One bundle, and its state in this process."""

    bundle: Bundle
    state: State = "loading"
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

    def ready(self) -> Deployment:
        """Return the deployment. Raises NotReady with the reason."""
        if self.serving is not None:
            return self.serving
        if self.state == "failed":
            raise NotReady(f"{self.name} was refused at load: {self.reason}", retry_after_s=60)
        raise NotReady(f"{self.name} is being loaded; send the request again")
