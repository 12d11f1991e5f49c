"""The control groups of this process, which limit what a container may use."""

from collections.abc import Iterator
from pathlib import Path

GROUPS = Path("/proc/self/cgroup")
"""The kernel's list of the control groups of this process, a line for each hierarchy."""
MOUNT = Path("/sys/fs/cgroup")
"""Where the hierarchies are mounted."""


def group_folders(controller: str, groups: Path, mount: Path) -> Iterator[Path]:
    """Yield the folders of this process's groups of a controller, such as `cpu`, each before the group above it.

    A limit applies to all groups below it, so the smallest one on the way up counts. In a container the listed path
    may be that of the host; the container's own group is then the top folder. groups, mount: see GROUPS, MOUNT.
    """
    for line in read_text(groups).splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers or controller in controllers.split(","):
            top = mount / controller if controllers else mount  # version 1 names its controllers, version 2 does not
            group = top / path.lstrip("/")
            yield from (folder for folder in (group, *group.parents) if folder.is_relative_to(top))


def read_text(file: Path) -> str:
    """Return the text of a file; empty where it cannot be read."""
    try:
        return file.read_text()
    except OSError:
        return ""
