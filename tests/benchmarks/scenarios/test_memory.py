"""The measurement of the memory of a service."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.harness.process_usage import MIB
from benchmarks.scenarios.memory import steady_bytes

_GROWS = "import time; print(flush=True); time.sleep(0.5); memory = bytearray(b'1') * (50 << 20); input()"


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="not Linux")
def test_memory_counts_once_it_is_steady() -> None:
    """A process that is still growing is waited for."""
    with subprocess.Popen([sys.executable, "-c", _GROWS], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert steady_bytes(process.pid) > 50 * MIB
        process.kill()
