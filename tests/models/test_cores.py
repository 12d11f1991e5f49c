"""The number of cores where control groups limit CPU time."""

import os
from pathlib import Path

import pytest

from models.contract import usable_cores


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """The affinity mask of these tests, so that they give the same on any machine."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


def groups(folder: Path, *lines: str) -> Path:
    """Write the list of a process's control groups."""
    file = folder / "self-cgroup"
    file.write_text("".join(f"{line}\n" for line in lines))
    return file


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{text}\n")


@pytest.mark.parametrize(
    ("limit", "expected"),
    [("200000 100000", 2), ("150000 100000", 2), ("10000 100000", 1), ("max 100000", 8), ("6400000 100000", 8)],
)
def test_a_limit_of_version_2_is_rounded_up(tmp_path: Path, limit: str, expected: int) -> None:
    """A limit of CPU time counts as cores, rounded up, at least one and at most those of the affinity mask."""
    write(tmp_path / "mount/cpu.max", limit)
    assert usable_cores(groups(tmp_path, "0::/"), tmp_path / "mount") == expected


def test_the_smallest_limit_on_the_way_up_counts(tmp_path: Path) -> None:
    """A limit applies to all groups below the one that has it."""
    write(tmp_path / "mount/pods/cpu.max", "300000 100000")
    write(tmp_path / "mount/pods/one/cpu.max", "max 100000")
    write(tmp_path / "mount/pods/one/container/cpu.max", "500000 100000")
    write(tmp_path / "mount/pods/other/cpu.max", "100000 100000")
    assert usable_cores(groups(tmp_path, "0::/pods/one/container"), tmp_path / "mount") == 3


@pytest.mark.parametrize(("quota", "expected"), [("250000", 3), ("-1", 8)])
def test_limits_of_version_1_count_too(tmp_path: Path, quota: str, expected: int) -> None:
    """Version 1 has quota and period in two files, below the folder of its controller."""
    write(tmp_path / "mount/cpu/docker/abc/cpu.cfs_quota_us", quota)
    write(tmp_path / "mount/cpu/docker/abc/cpu.cfs_period_us", "100000")
    listed = groups(tmp_path, "5:memory:/docker/abc", "4:cpu,cpuacct:/docker/abc", "0::/docker/abc")
    assert usable_cores(listed, tmp_path / "mount") == expected


def test_in_a_container_the_top_folder_is_its_own_group(tmp_path: Path) -> None:
    """Where the listed path does not exist in the mounted hierarchy, its top folder counts, as in a container."""
    write(tmp_path / "mount/cpu/cpu.cfs_quota_us", "200000")
    write(tmp_path / "mount/cpu/cpu.cfs_period_us", "100000")
    assert usable_cores(groups(tmp_path, "4:cpu,cpuacct:/docker/abc"), tmp_path / "mount") == 2


def test_without_control_groups_the_affinity_mask_counts(tmp_path: Path) -> None:
    """Files that are missing or damaged are no limit."""
    assert usable_cores(tmp_path / "missing", tmp_path / "mount") == 8
    write(tmp_path / "mount/cpu.max", "")
    assert usable_cores(groups(tmp_path, "0::/elsewhere"), tmp_path / "mount") == 8
