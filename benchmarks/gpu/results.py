"""The measurements of one GPU as data, on disk as build/bench/gpu.json; each step writes a part beside it."""

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
    """How a network is run: bound: buffers stay on the device; tf32: float32 products of ten bits of mantissa."""

    bundle: str
    provider: str
    precision: str
    tf32: bool = False
    bound: bool = False
    cuda_graph: bool = False

    @property
    def words(self) -> str:
        options = {"TF32": self.tf32, "bound buffers": self.bound, "CUDA graph": self.cuda_graph}
        return ", ".join([self.precision, *(name for name, on in options.items() if on)])


class Parity(_Row):
    """Largest difference of any probability of a golden image; none where it could not be run."""

    configuration: RunConfiguration
    difference: float | None
    tolerance: float
    reason: str = ""

    @property
    def holds(self) -> bool:
        return self.difference is not None and self.difference <= self.tolerance


class Speed(_Row):
    """Batches in `callers` threads at a time; seconds are those of one batch, the median of the windows."""

    configuration: RunConfiguration
    callers: int
    batch_size: int
    seconds: float

    @property
    def images_per_s(self) -> float:
        return self.callers * self.batch_size / self.seconds


class Trtexec(_Row):
    """TensorRT without onnxruntime. transfers: with copies to and from the device."""

    bundle: str
    precision: str
    batch_size: int
    transfers: bool
    images_per_s: float


class ServiceLoad(_Row):
    """The service in one shape under a closed loop. cores: that it used itself, of `machine_cores`."""

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
        """Images a second for each core there is, the load generator's included."""
        return self.per_s / self.machine_cores

    @property
    def per_used_core(self) -> float:
        return self.per_s / self.cores if self.cores else 0.0


class Environment(BaseModel):
    """Where it was measured, with what; options: of each provider, as onnxruntime is given them."""

    date: str
    commit: str
    machine: str
    device: Device | None
    versions: dict[str, str]
    providers: list[str]
    options: dict[str, dict[str, str]]


class ParityPart(BaseModel):
    rows: list[Parity] = []


class CeilingPart(BaseModel):
    rows: list[Speed] = []
    notes: list[str] = []


class TensorRTPart(BaseModel):
    rows: list[Trtexec] = []
    notes: list[str] = []


class EndToEndPart(BaseModel):
    image: str = ""
    rows: list[ServiceLoad] = []
    notes: list[str] = []


class GpuResults(BaseModel):
    """A part is missing where its step was not run or failed."""

    command: str = "benchmarks/gpu.sh"
    environment: Environment
    parity: ParityPart | None = None
    ceiling: CeilingPart | None = None
    tensorrt: TensorRTPart | None = None
    end_to_end: EndToEndPart | None = None


def folder() -> Path:
    """`$OUT`, or build/bench."""
    return Path(os.environ.get("OUT") or BUILD)


def write(part: BaseModel, name: str) -> Path:
    path = folder() / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(part.model_dump_json(indent=1))
    return path


def read(kind: type[Part], name: str) -> Part | None:
    """What `write` wrote under that name. Raises pydantic's ValidationError for another kind of file."""
    path = folder() / f"{name}.json"
    return kind.model_validate_json(path.read_text()) if path.exists() else None
