"""TensorRT's own figure, by NVIDIA's trtexec: what the engine's ceiling is held against.

    python -m benchmarks.gpu.tensorrt [--bundles models/imagenet/1] [--sizes 32,64,128,256]

Exit status 3 where trtexec is not installed (pip's TensorRT has none), 1 when it fails.
Source of the flags: https://docs.nvidia.com/deeplearning/tensorrt/10.16.1/performance/benchmarking.html
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.gpu.configurations import label
from benchmarks.gpu.results import TensorRTPart, Trtexec, write
from benchmarks.gpu.run_commands import BUNDLES, Bundles, bundles_of, numbers_of
from models.contract import INPUT, Bundle, Precision

NOT_THERE = 3
_PLACES = ("/opt/tensorrt/bin", "/usr/src/tensorrt/bin")
_THROUGHPUT = re.compile(r"Throughput: ([0-9.]+) qps")
_BUILD_LIMIT_S = 300.0


def trtexec() -> str | None:
    """On the path, or where NVIDIA's containers and packages have it."""
    return shutil.which("trtexec", path=os.pathsep.join([os.environ.get("PATH", ""), *_PLACES]))


def source(bundle: Bundle) -> Path:
    """The fp16 variant where there is one; of another graph TensorRT makes fp16 itself."""
    own = bundle.manifest.variant(Precision.FP16)
    return bundle.model_path(Precision.FP16 if own else Precision.FP32)


def command(program: str, bundle: Bundle, batch_size: int, *, transfers: bool, seconds: float) -> list[str]:
    """An engine for this batch size alone; without transfers the copies to and from the device are left out."""
    model = source(bundle)
    shape = f"{INPUT}:{'x'.join(map(str, (batch_size, *bundle.manifest.input.shape)))}"
    flags = [f"--{bound}Shapes={shape}" for bound in ("min", "opt", "max")] + [f"--shapes={shape}"]
    flags += ["--fp16", "--useCudaGraph", "--useSpinWait", f"--duration={seconds:g}"]
    return [program, f"--onnx={model}", *flags, *(() if transfers else ("--noDataTransfers",))]


def parse(output: str, batch_size: int) -> float:
    """Images a second. Raises ValueError without a throughput."""
    if (found := _THROUGHPUT.search(output)) is None:
        raise ValueError(f"trtexec printed no throughput:\n{output[-1000:]}")
    return float(found[1]) * batch_size


def measured(program: str, bundle: Bundle, sizes: list[int], seconds: float) -> Iterator[Trtexec]:
    """Raises OSError, SubprocessError, ValueError."""
    for size in sizes:
        for transfers in (False, True):
            line = command(program, bundle, size, transfers=transfers, seconds=seconds)
            done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=seconds + _BUILD_LIMIT_S)
            if done.returncode:
                raise ValueError(
                    f"{' '.join(line)} ended with {done.returncode}: {(done.stderr or done.stdout)[-500:]}"
                )
            yield Trtexec(
                bundle=label(bundle),
                precision="fp16",
                batch_size=size,
                transfers=transfers,
                images_per_s=parse(done.stdout, size),
            )


def main(
    bundles: Bundles = BUNDLES,
    sizes: Annotated[str, typer.Option(help="Batch sizes, separated by commas.")] = "32,64,128,256",
    seconds: Annotated[float, typer.Option(help="Of each measurement.")] = 3.0,
) -> None:
    """Measure in fp16, print a line for each size, and keep the result as tensorrt.json."""
    if (program := trtexec()) is None:
        typer.echo("trtexec is not installed; the TensorRT provider, where it is there, is in the ceiling")
        raise typer.Exit(NOT_THERE)
    part = TensorRTPart()
    for bundle in bundles_of(bundles):
        try:
            for row in measured(program, bundle, numbers_of(sizes), seconds):
                part.rows.append(row)
                with_ = "with" if row.transfers else "without"
                typer.echo(f"{row.bundle}, {row.batch_size}, {with_} transfers: {row.images_per_s:.0f} images/s")
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            part.notes.append(f"{label(bundle)}: {error}")
            typer.echo(f"failed: {part.notes[-1]}")
    typer.echo(f"written to {write(part, 'tensorrt')}")
    raise typer.Exit(1 if part.notes else 0)


if __name__ == "__main__":
    typer.run(main)
