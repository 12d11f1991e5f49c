"""The memory that a new process can use, of the machine and of the control groups."""

import math
from collections.abc import Mapping
from pathlib import Path

from models.contract import GROUPS, MOUNT, group_folders, read_text

_MEMINFO = Path("/proc/meminfo")
_KIB = 1024
_RECLAIMABLE = ("active_file", "inactive_file", "slab_reclaimable")
"""Entries of memory.stat that count as used and that the kernel frees when memory is needed: pages of files."""


def available_bytes(meminfo: Path = _MEMINFO, groups: Path = GROUPS, mount: Path = MOUNT) -> float:
    """Return the bytes that can be allocated without swapping; infinity where the platform does not say.

    The smaller one of the kernel's own estimate for the machine and of what the control groups leave.
    meminfo: the kernel's figures of memory. groups: file that lists the control groups of this process, a line for
    each hierarchy. mount: folder where the hierarchies are mounted.
    """
    fields = _numbers(meminfo)
    machine = fields["MemAvailable:"] * _KIB if "MemAvailable:" in fields else math.inf
    return max(0.0, min(machine, _left(groups, mount)))


def _left(groups: Path, mount: Path) -> float:
    """Return the bytes that the control groups leave, infinity where they have no limit."""
    return min((_left_in(folder) for folder in group_folders("memory", groups, mount)), default=math.inf)


def _left_in(group: Path) -> float:
    """Return limit minus usage of one group. Version 1 has a huge number for no limit, version 2 has `max`."""
    limit = min(_number(group / name) for name in ("memory.max", "memory.high", "memory.limit_in_bytes"))
    used = min(_number(group / name) for name in ("memory.current", "memory.usage_in_bytes"))
    if math.isinf(limit) or math.isinf(used):
        return math.inf
    entries = _numbers(group / "memory.stat")  # those with `total_` include the groups below, as version 2 always does
    return limit - used + sum(entries.get(f"total_{name}", entries.get(name, 0)) for name in _RECLAIMABLE)


def _numbers(file: Path) -> Mapping[str, int]:
    """Return the number of each line `name number ...` by its name."""
    columns = (line.split() for line in read_text(file).splitlines())
    return {parts[0]: int(parts[1]) for parts in columns if len(parts) > 1 and parts[1].isdecimal()}


def _number(file: Path) -> float:
    text = read_text(file).strip()
    return int(text) if text.isdecimal() else math.inf
