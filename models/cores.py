"""The number of cores that this process may use."""

import math
import os
from pathlib import Path

_GROUPS = Path("/proc/self/cgroup")
_MOUNT = Path("/sys/fs/cgroup")


def usable_cores(groups: Path = _GROUPS, mount: Path = _MOUNT) -> int:
    """Return the number of cores: those of the affinity mask, or fewer where control groups limit CPU time.

    A limit of 1.5 cores counts as two. groups: file that lists the control groups of this process, a line for each
    hierarchy. mount: folder where the hierarchies are mounted.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(cores, _quota(groups, mount))))


def _quota(groups: Path, mount: Path) -> float:
    """Return the CPU time per time that the control groups allow, infinity where they have no limit.

    A limit applies to all groups below it, so the smallest one on the way up counts. In a container the listed path
    may be that of the host; the container's own group is then the top folder.
    """
    limits = [math.inf]
    for line in _text(groups).splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers or "cpu" in controllers.split(","):
            top = mount / "cpu" if controllers else mount  # version 1 names its controllers, version 2 does not
            group = top / path.lstrip("/")
            limits += [_limit(folder) for folder in (group, *group.parents) if folder.is_relative_to(top)]
    return min(limits)


def _limit(group: Path) -> float:
    quota, _, period = _text(group / "cpu.max").partition(" ")
    if not quota:
        quota, period = _text(group / "cpu.cfs_quota_us"), _text(group / "cpu.cfs_period_us")
    try:
        limit = int(quota) / int(period)
    except (ValueError, ZeroDivisionError):  # the quota is "max", or this group has no such file
        return math.inf
    return limit if limit > 0 else math.inf  # version 1 has -1 for no limit


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""
