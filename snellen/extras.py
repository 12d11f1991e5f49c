"""Packages that are not installed: which extra of Snellen has them, and how to install it where the user is."""

import sys
from pathlib import Path

SERVING = (
    *("fastapi", "fastapi_offline", "httptools", "onnx", "onnxruntime", "prometheus_client", "pydantic_settings"),
    *("python_multipart", "starlette", "uvicorn", "uvloop"),
)
"""Modules of the extra `cpu`, which `serve` and the commands that run a bundle need."""
TRAINING = ("kornia", "matplotlib", "onnx", "onnxruntime", "onnxscript", "pyarrow", "sklearn", "timm", "torch")
"""Modules of the extra `train`, which `train`, `optimize`, `report` and others need."""
_ROOT = Path(__file__).parent.parent
"""Folder above this package."""
_IN_A_CLONE = {
    "cpu": "run make serve, which makes .venv, then .venv/bin/snellen",
    "train": "run make install-training, then .venv-train/bin/snellen",
}


def missing_message(modules: list[str], extra: str) -> str:
    """Return a sentence that names the missing modules and the command that installs them.

    extra: `cpu` or `train`. In a clone that is a target of make, elsewhere a command of pip.
    """
    cure = f"in this clone {_IN_A_CLONE[extra]}" if clone() else f"run pip install 'snellen[{extra}]'"
    return f"{', '.join(modules)} not installed in {sys.prefix}; {cure}"


def extra_of(module: str) -> str | None:
    """Return the extra that has a module, such as `uvicorn.config`; None for a module of no extra."""
    name = module.partition(".")[0]
    return "cpu" if name in SERVING else "train" if name in TRAINING else None


def clone() -> Path | None:
    """Return the folder of the clone that this code is part of; None for a package that pip installed."""
    return _ROOT if (_ROOT / "Makefile").is_file() else None
