"""Packages that are not installed: which extra of Snellen has them, and how to install it where the user is."""

import sys
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

SERVING = (
    *("fastapi", "fastapi_offline", "httptools", "onnx", "onnxruntime", "prometheus_client", "pydantic_settings"),
    *("python_multipart", "starlette", "uvicorn", *([] if sys.platform == "win32" else ["uvloop"])),
)
"""Modules of the extra `cpu`, which `serve` and the commands that run a bundle need."""
TRAINING = (
    *("filelock", "jinja2", "kornia", "markdown_it", "matplotlib", "onnx", "onnxruntime", "onnxscript", "pyarrow"),
    *("skimage", "sklearn", "tensorboard", "timm", "torch", "torchvision"),
)
"""Modules that `train`, `optimize`, `report` and others need, all of the extra `train`, which includes `cpu`.

Without those of the packages that only `snellen import efficientnet-lite0` reads.
"""
_MODULES = {
    "cpu": SERVING,
    "train": TRAINING,
    "heic": ("pillow_heif",),
    "bulk": ("pyarrow",),
    "ray": ("pyarrow", "ray"),
}
_ROOT = Path(__file__).parent.parent
"""Folder above this package."""
_IN_A_CLONE = {
    "cpu": "run make serve, which makes .venv, then .venv/bin/snellen",
    "train": "run make install-training, then .venv-train/bin/snellen",
    "heic": f"run {sys.executable} -m pip install pillow-heif",
    "bulk": f"run {sys.executable} -m pip install pyarrow fsspec",
    "ray": f"run {sys.executable} -m pip install 'ray[data,serve]' pyarrow fsspec",
}


def missing_sentence(extra: str, module: str | None = None) -> str | None:
    """Return the sentence on what an extra lacks here, and how to install it; None where nothing is missing.

    module: one that could not be imported, which is named in any case.
    """
    missing = {each for each in _MODULES[extra] if find_spec(each) is None} | ({module} if module else set())
    return missing_message(sorted(missing), extra) if missing else None


def missing_message(modules: Iterable[str], extra: str) -> str:
    """Return a sentence that names the missing modules and the command that installs them.

    extra: `cpu`, `train`, `heic`, `bulk` or `ray`. In a clone the command is mostly a target of make, elsewhere it is
    one of pip.
    """
    cure = f"in this clone {_IN_A_CLONE[extra]}" if clone() else f"run pip install 'snellen[{extra}]'"
    return f"{', '.join(modules)} not installed in {sys.prefix}; {cure}"


def extra_of(module: str) -> str | None:
    """Return the extra that has a module, such as `uvicorn.config`; None for a module of no extra."""
    name = module.partition(".")[0]
    return next((extra for extra, modules in _MODULES.items() if name in modules), None)


def clone() -> Path | None:
    """Return the folder of the clone that this code is part of; None for a package that pip installed."""
    return _ROOT if (_ROOT / "Makefile").is_file() else None
