"""The measurements on one GPU, stored as build/bench/gpu.json; each step writes its part in the same folder."""

import os
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict

from benchmarks.gpu.device import Device, Use
from benchmarks.workloads import BUILD

Part = TypeVar("Part", bound=BaseModel)


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True)


class RunConfiguration(_Row):
    """How a network is run.

    bound: input and output buffers stay on the device. tf32: float32 products with ten bits of mantissa.
    """

    bundle: str
    provider: str
    precision: str
    tf32: bool = False
    bound: bool = False
    cuda_graph: bool = False

    @property
    def words(self) -> str:
        """Return precision and options as text, for example `fp16, bound buffers`."""
        options = {"TF32": self.tf32, "bound buffers": self.bound, "CUDA graph": self.cuda_graph}
        return ", ".join([self.precision, *(name for name, on in options.items() if on)])


class Parity(_Row):
    """The largest difference of any golden probability; None when the configuration could not be run."""

    configuration: RunConfiguration
    difference: float | None
    tolerance: float
    reason: str = ""

    @property
    def holds(self) -> bool:
        """Return whether the difference is within the tolerance."""
        return self.difference is not None and self.difference <= self.tolerance


class Speed(_Row):
    """The speed of batches run by `callers` threads at once. seconds: of one batch, the median of the windows."""

    configuration: RunConfiguration
    callers: int
    batch_size: int
    seconds: float

    @property
    def images_per_s(self) -> float:
        """Return images per second of all callers together."""
        return self.callers * self.batch_size / self.seconds


class Trtexec(_Row):
    """The speed of TensorRT without onnxruntime. transfers: includes copies to and from the device."""

    bundle: str
    precision: str
    batch_size: int
    transfers: bool
    images_per_s: float


class ServiceLoad(_Row):
    """The service under one closed loop. cores: used by the service, of `machine_cores`."""

    bundle: str
    provider: str
    precision: str
    frontends: int
    engines: int
    connections: int
    generator: Literal["wrk", "python"]
    per_s: float
    failed: int
    p50_ms: float
    p99_ms: float
    mean_batch: float
    cores: float
    machine_cores: int
    use: Use

    @property
    def per_machine_core(self) -> float:
        """Return images per second per core of the machine, including cores that the load generators use."""
        return self.per_s / self.machine_cores

    @property
    def per_used_core(self) -> float:
        """Return images per second per core that the service used."""
        return self.per_s / self.cores if self.cores else 0.0


class Environment(BaseModel):
    """The machine and versions of a run. options: of each provider, as passed to onnxruntime."""

    date: str
    commit: str
    machine: str
    device: Device | None
    versions: dict[str, str]
    providers: list[str]
    options: dict[str, dict[str, str]]


class ParityPart(BaseModel):
    """The comparison with golden probabilities."""

    rows: list[Parity] = []


class CeilingPart(BaseModel):
    """The speeds of the engine. notes: configurations that failed."""

    rows: list[Speed] = []
    notes: list[str] = []


class TensorRTPart(BaseModel):
    """The speeds of TensorRT itself. notes: bundles that failed."""

    rows: list[Trtexec] = []
    notes: list[str] = []


class EndToEndPart(BaseModel):
    """The loads on the service. image: file name. notes: starts and loads that failed."""

    image: str = ""
    rows: list[ServiceLoad] = []
    notes: list[str] = []


class GpuResults(BaseModel):
    """All parts of a run; None for a step that was not run or failed."""

    command: str = "benchmarks/gpu.sh"
    environment: Environment
    parity: ParityPart | None = None
    ceiling: CeilingPart | None = None
    tensorrt: TensorRTPart | None = None
    end_to_end: EndToEndPart | None = None


def folder() -> Path:
    """Return the folder of the results: `$OUT`, or build/bench."""
    return Path(os.environ.get("OUT") or BUILD)


def write(part: BaseModel, name: str) -> Path:
    """Write a part as JSON and return its path."""
    path = folder() / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(part.model_dump_json(indent=1))
    return path


def read(kind: type[Part], name: str) -> Part | None:
    """Read a part; None when the file does not exist. Raises pydantic's ValidationError for another kind of file."""
    path = folder() / f"{name}.json"
    return kind.model_validate_json(path.read_text()) if path.exists() else None
