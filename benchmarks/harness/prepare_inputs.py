"""Create what the workloads need and the repository does not hold, in build/bench: images, forms, two bundles."""

import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

from onnx.utils import extract_model

from benchmarks.sample_images import form, jpeg, small_png
from benchmarks.workloads import BUILD, ROOT, SHIPPED, TWO_CONV, VARIANTS, Workload
from models.contract import INPUT, MANIFEST, PROBABILITIES, Precision, read_bundle

SNELLEN = ROOT / ".venv-train" / "bin" / "snellen"


def prepare(workloads: Iterable[Workload], on_progress: Callable[[str], None] = print) -> list[str]:
    """Create what is missing. Return the commands that create the bundles, whether or not they had to run now.

    on_progress: called with a text before a step that takes long. Raises FileNotFoundError when the training commands
    are needed and not installed, CalledProcessError when one fails.
    """
    (BUILD / "images").mkdir(parents=True, exist_ok=True)
    commands = []
    for workload in workloads:
        if not workload.image.exists():
            _write(workload.image, _ENCODED[workload.image.name]())
        if not workload.form.exists():
            _write(workload.form, form(workload.image))
        if workload.models == VARIANTS:
            commands.append(_variant(workload.precision, on_progress))
        if workload.models == TWO_CONV:
            commands.append(_two_conv(on_progress))
        write_networks(workload)
    return commands


def write_networks(workload: Workload) -> None:
    """Write the workload's graphs with the probabilities as their only output.

    onnxruntime computes all outputs of a graph, class maps too. Files are written in every run: the bundle may have
    changed.
    """
    for precision in {Precision.FP32, workload.precision}:
        path = workload.network(precision)
        path.parent.mkdir(parents=True, exist_ok=True)
        extract_model(workload.bundle.model_path(precision), path, [INPUT], [PROBABILITIES])


_ENCODED: dict[str, Callable[[], bytes]] = {
    "A.jpg": lambda: jpeg((500, 375), 61_000),
    "B.png": small_png,
    "C.jpg": lambda: jpeg((4000, 3000), 1_350_000),
}


def _two_conv(on_progress: Callable[[str], None]) -> str:
    """Train the two-conv network, unless its bundle exists. Return the command."""
    arguments = "--data digits --name two-conv --network two-conv --no-flip --epochs 4 --optimizer adamw --threads 1"
    paths = ["--models", str(TWO_CONV), "--runs", str(BUILD / "runs"), "--version", "1", "--overwrite"]
    if not (TWO_CONV / "two-conv" / "1" / MANIFEST).exists():
        _snellen(
            ["train", *arguments.split(), *paths], "training the two-conv network on digits: a minute", on_progress
        )
    return f"snellen train {arguments}"


def _variant(precision: Precision, on_progress: Callable[[str], None]) -> str:
    """Create a variant on a copy of the shipped bundle, unless either has it. Return the command."""
    folder = VARIANTS / "imagenet" / "1"
    options = f"--variants {precision} --budget 20"
    if not (folder / MANIFEST).exists():
        shutil.copytree(SHIPPED / "imagenet" / "1", folder)
    if not _has(folder, precision):
        what = f"the {precision} variant of EfficientNet-Lite0: some minutes"
        _snellen(["optimize", str(folder), *options.split()], what, on_progress)
    if not _has(folder, precision):
        raise FileNotFoundError(f"no {precision} variant in {folder}: `snellen optimize` rejected it, see above")
    return f"snellen optimize <a copy of models/imagenet/1> {options}"


def _has(folder: Path, precision: Precision) -> bool:
    return read_bundle(folder).manifest.variant(precision) is not None


def _snellen(arguments: list[str], what: str, on_progress: Callable[[str], None]) -> None:
    if not SNELLEN.exists():
        raise FileNotFoundError(f"{SNELLEN} is not there; `make install-training` makes it, and `make bench` does too")
    on_progress(what)
    subprocess.run([str(SNELLEN), *arguments], check=True, cwd=ROOT)


def _write(path: Path, content: bytes) -> None:
    """Write the file completely or not at all."""
    part = path.with_suffix(".part")
    part.write_bytes(content)
    part.rename(path)
