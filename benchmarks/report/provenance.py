"""Describe the machine, the versions and the limits of a run."""

import platform
import subprocess
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from benchmarks.load.locust_report import commit, hardware
from benchmarks.workloads import ENVIRONMENTS
from models.contract import Precision, openvino_library
from service.engine.engines import obstacle
from service.engine.providers import OPENVINO
from service.settings import Settings

VECTOR_RESIZE = "cykooz-resizer"
"""The package that resizes with vector instructions."""
_OURS = ("onnxruntime", "openvino", "numpy", "pillow", VECTOR_RESIZE, "fastapi", "uvicorn", "uvloop", "httptools")
_MIB = 2**20
_SAMPLE_S = 2.0


def versions(peers: list[str]) -> dict[str, str]:
    """Return the versions of Python, libraries, wrk, and the peers that have their own environment."""
    found = {"python": f"{platform.python_version()} ({platform.python_compiler()})"}
    for name in _OURS:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    first_line = subprocess.run(["wrk", "-v"], capture_output=True, text=True, check=False).stdout.splitlines()
    found["wrk"] = first_line[0].split("[")[0].removeprefix("wrk").strip() if first_line else "not found"
    for peer in peers:
        python = ENVIRONMENTS / peer / "bin" / "python"
        if python.exists():
            code = f"import importlib.metadata as m; print(m.version('{peer}'))"
            found[peer] = subprocess.run(
                [python, "-c", code], capture_output=True, text=True, check=True
            ).stdout.strip()
    return found


def provenance(peers: list[str], against: Path | None = None) -> dict[str, object]:
    """Return the fields of `Results` about date, commits, machine, versions and load of other programs.

    against: root of another working tree.
    """
    date = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    other = commit(against) if against else ""
    share = psutil.cpu_percent(_SAMPLE_S) / 100
    found = {"date": date, "commit": commit(), "commit_against": other, "machine": hardware(), "others_share": share}
    return found | {"no_bf16": no_bf16(), "versions": versions(peers)}


def no_bf16() -> str:
    """Return why bfloat16 is not offered here; empty where it is."""
    if not openvino_library.installed():
        return openvino_library.NOT_INSTALLED
    return obstacle(Precision.BF16, (OPENVINO,)) or ""


def memory_limit_mib(input_bytes: int) -> float:
    """Return the memory in MiB that a loaded service may add with default settings.

    This is max_inflight_bytes of request bodies, and the decoded pixels of max_queue images of `input_bytes` each.
    """
    defaults = {name: Settings.model_fields[name].get_default() for name in ("max_inflight_bytes", "max_queue")}
    return float(defaults["max_inflight_bytes"] + defaults["max_queue"] * input_bytes) / _MIB
