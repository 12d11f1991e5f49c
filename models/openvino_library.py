"""OpenVINO: loads its runtime without the telemetry that it sends when imported, and says in which numbers it computes.

The service's engine and the evaluation of variants share it, so that one computes what the other one has measured.
"""

import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

from models.processor import has_bfloat16
from models.variant import Precision

NOT_INSTALLED = "openvino takes a package that is not installed: pip install 'snellen[openvino]'"
_CONVERTER = "openvino.tools.ovc"
"""Converts models of other libraries. Nothing here needs it, and it reports to Google Analytics as it is imported."""
_PRECISION = "INFERENCE_PRECISION_HINT"


def installed() -> bool:
    """Return whether OpenVINO can be imported. Does not import it, which takes 40 MiB."""
    return find_spec("openvino") is not None


def release() -> str | None:
    """Return the version of the library, as in `2026.4.0`; None if it is not installed. Does not import it."""
    try:
        return version("openvino")
    except PackageNotFoundError:
        return None


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
    return has_bfloat16() and "BF16" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def compile_settings(precision: Precision) -> dict[str, object]:
    """Return the settings that every model of a variant is compiled with; `other_numbers` checks their effect.

    The precision is always named: on processors with AMX, OpenVINO's own default for a float32 graph is bfloat16.
    Threads are not pinned: every process would take the same first cores.
    """
    return {_PRECISION: _hint(precision), "ENABLE_CPU_PINNING": False}


def other_numbers(compiled: Any, precision: Precision) -> str | None:
    """Return `bf16 instead of f32` where a compiled model computes in bfloat16 though its variant does not, and so on.

    None where the model computes in the numbers of its variant.
    """
    asked, used = _hint(precision), compiled.get_property(_PRECISION).get_type_name()
    return None if used == asked else f"{used} instead of {asked}"


def _hint(precision: Precision) -> str:
    """Return OpenVINO's name of the numbers of a variant."""
    return "bf16" if precision is Precision.BF16 else "f32"
