"""Memory of a process and its descendants."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.harness.process_usage import MIB, pss_bytes

pytestmark = pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="not Linux")

_CHILD = "memory = bytearray(b'1') * (50 << 20); print(flush=True); input()"
_PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {_CHILD!r}])"


def test_the_memory_of_descendants_counts() -> None:
    """Memory that only a child of the process uses is part of the sum, and an ended process has none."""
    with subprocess.Popen([sys.executable, "-c", _PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        assert 50 * MIB < pss_bytes(process.pid) < 90 * MIB
        process.stdin.write(b"\n")
        process.stdin.flush()
    assert pss_bytes(process.pid) == 0
