"""How much memory a new process can use where control groups limit it."""

import math
from pathlib import Path

import pytest

from service.repository.available_memory import available_bytes
from service.settings import MIB


@pytest.fixture
def meminfo(tmp_path: Path) -> Path:
    """The figures of a machine with 8 GiB available."""
    return write(tmp_path / "meminfo", f"MemTotal:  {16 * MIB} kB\nMemAvailable:  {8 * MIB} kB\nHugePages_Total: 0")


def write(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{text}\n")
    return file


def groups(folder: Path, *lines: str) -> Path:
    """Write the list of a process's control groups."""
    return write(folder / "self-cgroup", "\n".join(lines))


def limit(folder: Path, maximum: str, used_mib: int, stat: str = "anon 1") -> None:
    """Write the files of a group of version 2."""
    write(folder / "memory.max", maximum)
    write(folder / "memory.current", str(used_mib * MIB))
    write(folder / "memory.stat", stat)


def test_without_control_groups_the_machine_counts(meminfo: Path, tmp_path: Path) -> None:
    """Files that are missing are no limit, and without any figure nothing limits."""
    assert available_bytes(meminfo, tmp_path / "missing", tmp_path / "mount") == 8 * 1024 * MIB
    assert available_bytes(tmp_path / "missing", tmp_path / "missing", tmp_path / "mount") == math.inf


def test_a_group_of_version_2_leaves_its_limit_without_what_is_used(meminfo: Path, tmp_path: Path) -> None:
    """Pages of files count as used, and are free all the same."""
    limit(tmp_path / "mount", str(1000 * MIB), 700, f"anon 1\ninactive_file {150 * MIB}\nactive_file {50 * MIB}")
    assert available_bytes(meminfo, groups(tmp_path, "0::/"), tmp_path / "mount") == 500 * MIB


def test_the_throttling_limit_of_version_2_counts(meminfo: Path, tmp_path: Path) -> None:
    """Above memory.high processes are slowed down, so it is a limit too."""
    limit(tmp_path / "mount", "max", 100)
    write(tmp_path / "mount/memory.high", str(400 * MIB))
    assert available_bytes(meminfo, groups(tmp_path, "0::/"), tmp_path / "mount") == 300 * MIB


def test_the_group_that_leaves_least_on_the_way_up_counts(meminfo: Path, tmp_path: Path) -> None:
    """A limit applies to all groups below the one that has it."""
    limit(tmp_path / "mount/pods", str(3000 * MIB), 2900)
    limit(tmp_path / "mount/pods/one", "max", 500)
    limit(tmp_path / "mount/pods/one/container", str(2000 * MIB), 500)
    limit(tmp_path / "mount/pods/other", str(10 * MIB), 10)
    listed = groups(tmp_path, "0::/pods/one/container")
    assert available_bytes(meminfo, listed, tmp_path / "mount") == 100 * MIB


def test_limits_of_version_1_count_too(meminfo: Path, tmp_path: Path) -> None:
    """Its figures with `total_` include the groups below; its huge number is no limit."""
    folder = tmp_path / "mount/memory"
    write(folder / "memory.limit_in_bytes", "9223372036854771712")
    write(folder / "memory.usage_in_bytes", str(9000 * MIB))
    write(folder / "docker/abc/memory.limit_in_bytes", str(1000 * MIB))
    write(folder / "docker/abc/memory.usage_in_bytes", str(600 * MIB))
    write(folder / "docker/abc/memory.stat", f"inactive_file 0\ntotal_inactive_file {100 * MIB}")
    listed = groups(tmp_path, "5:memory:/docker/abc", "4:cpu,cpuacct:/docker/abc", "0::/docker/abc")
    assert available_bytes(meminfo, listed, tmp_path / "mount") == 500 * MIB


def test_in_a_container_the_top_folder_is_its_own_group(meminfo: Path, tmp_path: Path) -> None:
    """Where the listed path does not exist in the mounted hierarchy, its top folder counts."""
    limit(tmp_path / "mount", str(300 * MIB), 100)
    assert available_bytes(meminfo, groups(tmp_path, "0::/host/abc"), tmp_path / "mount") == 200 * MIB


def test_a_group_above_its_limit_leaves_nothing(meminfo: Path, tmp_path: Path) -> None:
    """The figure is never negative."""
    limit(tmp_path / "mount", str(100 * MIB), 120)
    assert available_bytes(meminfo, groups(tmp_path, "0::/"), tmp_path / "mount") == 0


def test_this_machine_has_memory() -> None:
    """The real files are read."""
    assert available_bytes() > 10 * MIB
