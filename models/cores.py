"""The number of cores that this process may use."""

import math
import os
from pathlib import Path

from models.control_groups import GROUPS, MOUNT, group_folders, read_text


def usable_cores(groups: Path = GROUPS, mount: Path = MOUNT) -> int:
    """Return the number of cores: those of the affinity mask, or fewer where control groups limit CPU time.

    A limit of 1.5 cores counts as two. groups: file that lists the control groups of this process, a line for each
    hierarchy. mount: folder where the hierarchies are mounted.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(cores, _quota(groups, mount))))


def _quota(groups: Path, mount: Path) -> float:
    """Return the CPU time per time that the control groups allow, infinity where they have no limit."""
    return min((_limit(folder) for folder in group_folders("cpu", groups, mount)), default=math.inf)


def _limit(group: Path) -> float:
    quota, _, period = read_text(group / "cpu.max").partition(" ")
    if not quota:
        quota, period = read_text(group / "cpu.cfs_quota_us"), read_text(group / "cpu.cfs_period_us")
    try:
        limit = int(quota) / int(period)
    except (ValueError, ZeroDivisionError):  # the quota is "max", or this group has no such file
        return math.inf
    return limit if limit > 0 else math.inf  # version 1 has -1 for no limit
