"""The C library's heap: one for all threads, and free memory goes back."""

import ctypes
import platform
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from service.engine.profile import Profile
from service.repository.version import ModelVersion
from tests.support.bundles import write_bundle
from tests.support.deployments import loadable

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")

_MIB = 2**20
_HEAPS = """
import ctypes, sys, threading
from service.heap import use_one_heap
if sys.argv[2] == "one":
    use_one_heap()
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
for _ in range(3):
    thread = threading.Thread(target=lambda: [libc.malloc(1000) for _ in range(1000)])
    thread.start()
    thread.join()
file = ctypes.c_void_p(libc.fopen(sys.argv[1].encode(), b"w"))
libc.malloc_info(0, file)
libc.fclose(file)
"""


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def leave_free_memory() -> None:
    """Free 100 MiB in small blocks that lie before a block in use, so that the heap's end cannot move back."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    blocks = [libc.malloc(1000) for _ in range(100_000)]
    libc.malloc(1000)
    for block in blocks:
        ctypes.memset(block, 1, 1000)
        libc.free(ctypes.c_void_p(block))


@pytest.mark.parametrize(("wanted", "one"), [("one", True), ("many", False)])
def test_all_threads_share_one_heap(tmp_path: Path, wanted: str, one: bool) -> None:
    """After use_one_heap(), threads that start allocate from the heap of the first one."""
    file = tmp_path / "heaps.xml"
    subprocess.run([sys.executable, "-c", _HEAPS, str(file), wanted], check=True)
    assert (file.read_text().count("<heap nr=") == 1) == one


class LeavesFreeMemory:
    """Loads nothing, and leaves much free memory after the last version."""

    before = 0

    async def load(self, _version: ModelVersion, _profile: Profile | None) -> None:
        """Open nothing."""

    async def unload(self, _version: ModelVersion) -> None:
        """Close nothing."""

    async def after_all_loaded(self) -> None:
        self.before = resident_bytes()
        leave_free_memory()


async def test_what_loading_has_freed_goes_back(tmp_path: Path) -> None:
    """After all versions are loaded, memory that loading has freed belongs to the operating system again."""
    write_bundle(tmp_path)
    loader = LeavesFreeMemory()
    await loadable(tmp_path, loader=loader).load()
    assert resident_bytes() < loader.before + 50 * _MIB
