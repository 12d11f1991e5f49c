"""Processes that share a cache."""

import subprocess
import sys
from pathlib import Path

from training.data.file_lock import exclusive_lock

_SECOND = """
import sys
from pathlib import Path
from training.data.file_lock import exclusive_lock
cache = Path(sys.argv[1])
print("here", flush=True)
with exclusive_lock(cache):
    print((cache / "data").read_text(), flush=True)
"""


def test_the_second_process_finds_what_the_first_left(tmp_path: Path) -> None:
    """It comes while the first is still at it, and waits."""
    cache = tmp_path / "cache"
    with exclusive_lock(cache):
        second = subprocess.Popen([sys.executable, "-c", _SECOND, cache], stdout=subprocess.PIPE, text=True)
        assert second.stdout is not None
        assert second.stdout.readline() == "here\n"
        (cache / "data").write_text("whole")
    assert second.communicate()[0] == "whole\n"
    assert second.returncode == 0


def test_a_cache_that_cannot_be_written_is_no_obstacle(tmp_path: Path) -> None:
    """What is in it can still be read."""
    (tmp_path / "file").write_text("in the way of a folder")
    with exclusive_lock(tmp_path / "file"):
        pass
