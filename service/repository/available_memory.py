"""The memory that a new process can use, of the machine and of the control groups."""

import math
from collections.abc import Mapping
from pathlib import Path

_MEMINFO = Path("/proc/meminfo")
_GROUPS = Path("/proc/self/cgroup")
_MOUNT = Path("/sys/fs/cgroup")
_KIB = 1024
_RECLAIMABLE = ("active_file", "inactive_file", "slab_reclaimable")
"""Entries of memory.stat that count as used and that the kernel frees when memory is needed: pages of files."""


def available_bytes(meminfo: Path = _MEMINFO, groups: Path = _GROUPS, mount: Path = _MOUNT) -> float:
    """Return the bytes that can be allocated without swapping; infinity where the platform does not say.

    The smaller one of the kernel's own estimate for the machine and of what the control groups leave.
    meminfo: the kernel's figures of memory. groups: file that lists the control groups of this process, a line for
    each hierarchy. mount: folder where the hierarchies are mounted.
    """
    fields = _numbers(meminfo)
    machine = fields["MemAvailable:"] * _KIB if "MemAvailable:" in fields else math.inf
    return max(0.0, min(machine, _left(groups, mount)))


def _left(groups: Path, mount: Path) -> float:
    """Return the bytes that the control groups leave, infinity where they have no limit.

    A limit applies to all groups below it, so the smallest remainder on the way up counts. In a container the listed
    path may be that of the host; the container's own group is then the top folder.
    """
    left = [math.inf]
    for line in _text(groups).splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers or "memory" in controllers.split(","):
            top = mount / "memory" if controllers else mount  # version 1 names its controllers, version 2 does not
            group = top / path.lstrip("/")
            left += [_left_in(folder) for folder in (group, *group.parents) if folder.is_relative_to(top)]
    return min(left)


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
    columns = (line.split() for line in _text(file).splitlines())
    return {parts[0]: int(parts[1]) for parts in columns if len(parts) > 1 and parts[1].isdecimal()}


def _number(file: Path) -> float:
    text = _text(file).strip()
    return int(text) if text.isdecimal() else math.inf


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""
