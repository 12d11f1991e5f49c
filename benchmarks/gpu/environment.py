"""First step: describe the machine and find out whether onnxruntime can use its GPU.

    python -m benchmarks.gpu.environment [--needs cuda]

The exit status is 1 when the provider that is needed cannot be used.
"""

import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import onnxruntime as ort
import typer

from benchmarks.gpu.configurations import usable
from benchmarks.gpu.device import Device, describe
from benchmarks.gpu.results import Environment, write
from benchmarks.load.locust_report import commit, hardware
from models.contract import Precision
from service.engine.providers import EngineOptions, options_of

_LIBRARIES = ("numpy", "pillow", "fastapi", "uvicorn", "uvloop", "httptools")
_NVIDIA = ("nvidia-cuda-runtime", "nvidia-cublas", "nvidia-cudnn-cu13", "tensorrt-cu13-libs")
_LARGEST = 256
_IMAGE = (224, 224, 3)


def versions() -> dict[str, str]:
    """Return versions of Python and libraries, and of NVIDIA's packages that pip installed.

    onnxruntime's version comes from the module, because two packages provide it.
    """
    found = {"python": platform.python_version(), "onnxruntime": ort.__version__}
    for name in (*_LIBRARIES, *_NVIDIA):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def environment() -> Environment:
    """Return the description of machine, device, versions and provider options."""
    providers = usable()
    engine = EngineOptions(precision=Precision.FP16, tf32=True, largest=_LARGEST)
    return Environment(
        date=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        commit=_commit(),
        machine=hardware(),
        device=_device(),
        versions=versions(),
        providers=providers,
        options={name: options_of(name, _IMAGE, engine) for name in providers},
    )


def _commit() -> str:
    try:
        return commit()
    except (OSError, subprocess.CalledProcessError):  # a copy of the tree without the git history
        return "unknown"


def _device() -> Device | None:
    try:
        return describe()
    except (OSError, subprocess.CalledProcessError, ValueError):
        return None


def main(needs: Annotated[str, typer.Option(help="Provider that must be usable; empty: none.")] = "") -> None:
    """Print the environment and write it as environment.json."""
    found = environment()
    typer.echo(f"{found.device.name if found.device else 'no GPU'}, {found.machine}")
    typer.echo(f"onnxruntime {found.versions['onnxruntime']} can use {', '.join(found.providers)}")
    write(found, "environment")
    if needs and needs not in found.providers:
        typer.echo(f"{needs} cannot be used: is onnxruntime-gpu installed without onnxruntime, and are its libraries?")
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
