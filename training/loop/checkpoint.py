"""What a run has learnt so far, on disk: replaced whole or not at all."""

import os
import random
from pathlib import Path
from typing import Any

import torch

from training.errors import CheckpointError

State = dict[str, Any]


def save_state(path: Path, state: State) -> None:
    """Write `state` beside `path`, then put it in its place: a crash or a full disk leaves the former one.

    Raises OSError.
    """
    beside = path.with_suffix(".new")
    try:
        with beside.open("wb") as stream:
            torch.save(state, stream)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(path)
    except (OSError, RuntimeError) as error:  # PyTorch's zip writer turns a full disk into a RuntimeError
        beside.unlink(missing_ok=True)
        raise error if isinstance(error, OSError) else OSError(f"{path} could not be written: {error}") from error


def load_state(path: Path) -> State:
    """Raises CheckpointError when there is none or it is damaged. Nothing in the file is run."""
    try:
        state: State = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}; start again with --overwrite") from error
    except Exception as error:
        raise CheckpointError(f"{path} is damaged; start again with --overwrite") from error
    return state


def random_state() -> State:
    """The state of every source of random numbers that training draws from."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    version, words, gauss = random.getstate()
    return {"torch": torch.get_rng_state(), "cuda": cuda, "python": [version, list(words), gauss]}


def restore_random_state(states: list[State] | State, rank: int = 0) -> None:
    """That of the process `rank`; one that the run did not have before keeps its own.

    states: by rank, or of the only process, as in checkpoints made before there were several.
    """
    kept = states if isinstance(states, list) else [states]
    if rank >= len(kept):
        return
    state = kept[rank]
    torch.set_rng_state(state["torch"])
    if state["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
