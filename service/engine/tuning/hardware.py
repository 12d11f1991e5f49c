"""The hardware that a measurement is valid for, as text: processor, GPU and driver."""

import os
import platform
from functools import cache
from pathlib import Path

_CPU = Path("/proc/cpuinfo")
_CPU_FIELDS = ("model name", "cpu family", "model", "stepping", "flags")
_GPUS = Path("/proc/driver/nvidia/gpus")
_DRIVER = Path("/proc/driver/nvidia/version")


@cache
def processor() -> str:
    """Return name and features of the first core. Virtual machines often hide the name."""
    fields = _fields(_CPU)
    return "; ".join(fields[name] for name in _CPU_FIELDS if name in fields) or platform.processor() or "unknown"


def gpu() -> str:
    """Return the names of the GPUs that this process may use, and the driver; empty when there is none."""
    if not _GPUS.is_dir():
        return ""
    names = [_fields(folder / "information").get("Model", "?") for folder in sorted(_GPUS.iterdir())]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    chosen = [names[int(each)] for each in visible if each.isdigit() and int(each) < len(names)] or names
    return "; ".join([*chosen, _text(_DRIVER).split("\n", 1)[0]])


def _fields(path: Path) -> dict[str, str]:
    """Return the values of lines `name : value` by name; the first line of a name counts."""
    found: dict[str, str] = {}
    for line in _text(path).splitlines():
        name, _, value = line.partition(":")
        found.setdefault(name.strip(), value.strip())
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
