"""Loads OpenVINO's runtime, without the telemetry that it sends when it is imported."""

import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

from models.contract import Precision, has_bfloat16

NOT_INSTALLED = "openvino takes a package that is not installed: pip install 'snellen[openvino]'"
_CONVERTER = "openvino.tools.ovc"
"""Converts models of other libraries. Nothing here needs it, and it reports to Google Analytics as it is imported."""


def installed() -> bool:
    """Return whether OpenVINO can be imported. Does not import it, which takes 40 MiB."""
    return find_spec("openvino") is not None


def runtime() -> str:
    """Return name and version of the library, as in `openvino 2026.4.0`. Does not import it."""
    try:
        return f"openvino {version('openvino')}"
    except PackageNotFoundError:
        return "openvino, not installed"


def load() -> Any:
    """Import the library once its converter, with its telemetry, is blocked in this process."""
    sys.modules.setdefault(_CONVERTER, None)  # type: ignore[arg-type]  # Python's mark of a module that must not load
    import openvino  # noqa: PLC0415  an extra, and 40 MiB of a process that does not use it

    return openvino


@cache
def core() -> Any:
    """Return the object that reads and compiles models, one for the process."""
    return load().Core()


def computes(precision: Precision) -> bool:
    """Return whether the processor has instructions for the numbers of a variant.

    OpenVINO names bfloat16 among its capabilities also for processors on which it emulates it, slower than float32.
    """
    if precision is not Precision.BF16:
        return True
    return "BF16" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES") and has_bfloat16()
