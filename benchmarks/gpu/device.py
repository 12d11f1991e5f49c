"""Read from nvidia-smi what the GPU is, and its utilization during a `with` block."""

import os
import statistics
import subprocess
from collections.abc import Iterable, Sequence
from types import TracebackType

from pydantic import BaseModel

_INTERVAL_MS = 200
_SAMPLED = ("utilization.gpu", "memory.used", "power.draw")
_DESCRIBED = ("name", "driver_version", "memory.total")
_STOP_LIMIT_S = 5.0


class Device(BaseModel):
    """Name, driver and memory as nvidia-smi prints them."""

    name: str
    driver: str
    memory: str


class Use(BaseModel):
    """Mean and maximum of the samples; None where the device does not report a value.

    gpu: percent of the time in which any kernel ran; it does not tell how much of the device the kernel used.
    """

    samples: int
    gpu_mean_percent: float | None = None
    gpu_max_percent: float | None = None
    memory_mean_mib: float | None = None
    memory_max_mib: float | None = None
    power_mean_w: float | None = None
    power_max_w: float | None = None


def query(names: Sequence[str], *more: str) -> list[str]:
    """Return nvidia-smi's command line for these properties of the first device that this process may use."""
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0].strip() or "0"
    return ["nvidia-smi", f"--id={first}", f"--query-gpu={','.join(names)}", "--format=csv,noheader", *more]


def describe() -> Device:
    """Describe the device. Raises OSError without nvidia-smi, CalledProcessError without a device, ValueError."""
    done = subprocess.run(query(_DESCRIBED), capture_output=True, text=True, check=True)
    return parse_device(done.stdout)


def parse_device(output: str) -> Device:
    """Parse one line of CSV. Raises ValueError."""
    name, driver, memory = (cell.strip() for cell in output.strip().splitlines()[0].split(","))
    return Device(name=name, driver=driver, memory=memory)


def parse_sample(line: str) -> tuple[float | None, ...]:
    """Parse the numbers of a line of CSV, with or without units; None for values such as `[N/A]`."""
    return tuple(_number(cell) for cell in line.split(","))


def _number(cell: str) -> float | None:
    try:
        return float(cell.split(maxsplit=1)[0])
    except (ValueError, IndexError):
        return None


def used(lines: Iterable[str]) -> Use:
    """Summarize the samples; incomplete lines are skipped."""
    samples = [sample for sample in map(parse_sample, lines) if len(sample) == len(_SAMPLED)]
    columns = [[value for value in column if value is not None] for column in zip(*samples, strict=True)]
    values: dict[str, float] = {}
    for (mean, highest), column in zip(_FIELDS, columns or [[]] * len(_FIELDS), strict=True):
        if column:
            values |= {mean: statistics.fmean(column), highest: max(column)}
    return Use.model_validate({"samples": len(samples), **values})


_FIELDS = (
    ("gpu_mean_percent", "gpu_max_percent"),
    ("memory_mean_mib", "memory_max_mib"),
    ("power_mean_w", "power_max_w"),
)


class Watch:
    """Samples the device five times per second; `use` is set after the block. Without nvidia-smi: no samples."""

    def __enter__(self) -> "Watch":
        self.use = Use(samples=0)
        command = query(_SAMPLED, f"--loop-ms={_INTERVAL_MS}")
        try:
            self._process: subprocess.Popen[str] | None = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        except OSError:
            self._process = None
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            output, _ = self._process.communicate(timeout=_STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            output, _ = self._process.communicate()
        self.use = used(output.splitlines())
