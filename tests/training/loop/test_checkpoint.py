"""Checkpoints are replaced whole or not at all."""

import resource
import signal
import threading
from pathlib import Path

import pytest
import torch

from training.loop import checkpoint
from training.loop.checkpoint import CheckpointWriter


def test_a_full_disk_leaves_the_former_checkpoint(tmp_path: Path) -> None:
    """No room for the new one: the old one is whole, the half-written one is gone."""
    path = tmp_path / "checkpoint.pt"
    checkpoint.save_state(path, {"step": 1})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(OSError, match=r"."):
            checkpoint.save_state(path, {"step": 2, "weights": torch.zeros(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert checkpoint.load_state(path) == {"step": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_the_last_checkpoint_waits_for_room(tmp_path: Path) -> None:
    """A run that cannot write its last checkpoint says so and tries again until it can."""
    folder = tmp_path / "run"
    folder.write_text("in the way")
    said: list[str] = []
    checkpoints = CheckpointWriter(folder, warn=said.append, pause_s=0.01)
    checkpoints.save({"step": 1})
    assert len(said) == 1
    threading.Timer(0.1, folder.unlink).start()
    checkpoints.save({"step": 2}, last=True)
    assert checkpoint.load_state(folder / "checkpoint.pt") == {"step": 2}
