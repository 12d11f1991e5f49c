"""Measure TensorRT itself with NVIDIA's trtexec, as the reference for the engine's ceiling.

    python -m benchmarks.gpu.tensorrt [--bundles models/imagenet/1] [--sizes 32,64,128,256]

The exit status is 3 when trtexec is not installed (pip's TensorRT does not contain it), 1 when it fails.
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

NOT_INSTALLED = 3
_FOLDERS = ("/opt/tensorrt/bin", "/usr/src/tensorrt/bin")
_THROUGHPUT = re.compile(r"Throughput: ([0-9.]+) qps")
_BUILD_LIMIT_S = 300.0


def trtexec() -> str | None:
    """Return the path of trtexec, from PATH or from the folders of NVIDIA's containers and packages; or None."""
    return shutil.which("trtexec", path=os.pathsep.join([os.environ.get("PATH", ""), *_FOLDERS]))


def source(bundle: Bundle) -> Path:
    """Return the graph to run: the fp16 variant if there is one, else fp32, which TensorRT converts to fp16."""
    own = bundle.manifest.variant(Precision.FP16)
    return bundle.model_path(Precision.FP16 if own else Precision.FP32)


def command(program: str, bundle: Bundle, batch_size: int, *, transfers: bool, seconds: float) -> list[str]:
    """Return trtexec's command line for one batch size; transfers: include copies to and from the device."""
    model = source(bundle)
    shape = f"{INPUT}:{'x'.join(map(str, (batch_size, *bundle.manifest.input.shape)))}"
    flags = [f"--{bound}Shapes={shape}" for bound in ("min", "opt", "max")] + [f"--shapes={shape}"]
    flags += ["--fp16", "--useCudaGraph", "--useSpinWait", f"--duration={seconds:g}"]
    return [program, f"--onnx={model}", *flags, *(() if transfers else ("--noDataTransfers",))]


def parse(output: str, batch_size: int) -> float:
    """Return images per second from trtexec's output. Raises ValueError without a throughput."""
    if (found := _THROUGHPUT.search(output)) is None:
        raise ValueError(f"trtexec printed no throughput:\n{output[-1000:]}")
    return float(found[1]) * batch_size


def measured(program: str, bundle: Bundle, sizes: list[int], seconds: float) -> Iterator[Trtexec]:
    """Run trtexec for each batch size, with and without transfers. Raises OSError, SubprocessError, ValueError."""
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
    seconds: Annotated[float, typer.Option(help="Duration of each measurement.")] = 3.0,
) -> None:
    """Measure in fp16, print a line for each size, and keep the result as tensorrt.json."""
    if (program := trtexec()) is None:
        typer.echo("trtexec is not installed; the ceiling includes the TensorRT provider where onnxruntime has it")
        raise typer.Exit(NOT_INSTALLED)
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
