"""A run belongs to one process at a time."""

from pathlib import Path

import pytest

from training.errors import RefusedRunError
from training.loop.run_lock import RunLock


def test_a_run_is_trained_by_one_process_at_a_time(tmp_path: Path) -> None:
    """The lock ends with its block; a second one is refused until then."""
    with RunLock() as first, RunLock() as second:
        first.take(tmp_path)
        with pytest.raises(RefusedRunError, match=f"another process trains {tmp_path} at this moment: wait until"):
            second.take(tmp_path)
        (tmp_path / "2").mkdir()
        second.take(tmp_path / "2")
    with RunLock() as third:
        third.take(tmp_path)
        third.take(tmp_path)


def test_a_folder_that_is_not_there_needs_no_lock(tmp_path: Path) -> None:
    """It is locked once it is made."""
    with RunLock() as lock:
        lock.take(tmp_path / "none")
        lock.release()
