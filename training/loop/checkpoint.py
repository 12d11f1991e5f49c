"""Checkpoints of a run: replaced whole or not at all, and written again when the disk was full."""

import os
import random
import shlex
from collections.abc import Callable
from pathlib import Path
from time import sleep
from typing import Any

import torch

from training.errors import CheckpointError

CHECKPOINT = "checkpoint.pt"
NETWORK = "network.pt"
"""File in the folder of a run with the trained network and its pixel scaling."""
_TRIES, _PAUSE_S = 60, 10.0
State = dict[str, Any]


def save_state(path: Path, state: State) -> None:
    """Write `state` beside `path`, then rename it: after a crash or with a full disk the former file is still there.

    Raises OSError.
    """
    beside = path.with_suffix(".new")
    try:
        with beside.open("wb") as stream:
            torch.save(state, stream)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(path)
    except (OSError, RuntimeError) as error:  # PyTorch's zip writer raises RuntimeError for a full disk
        beside.unlink(missing_ok=True)
        raise error if isinstance(error, OSError) else OSError(f"{path} could not be written: {error}") from error


def load_state(path: Path) -> State:
    """Read a checkpoint without running any code in it. Raises CheckpointError when it is missing or damaged."""
    try:
        state: State = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}; start again with --overwrite") from error
    except Exception as error:
        raise CheckpointError(f"{path} is damaged; start again with --overwrite") from error
    return state


def random_state() -> State:
    """Return the state of every random number generator that training uses."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    version, words, gauss = random.getstate()
    return {"torch": torch.get_rng_state(), "cuda": cuda, "python": [version, list(words), gauss]}


def restore_random_state(states: list[State] | State, rank: int = 0) -> None:
    """Restore the generators of the process `rank`; a process that the run did not have before keeps its own.

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


def resume_command(folder: Path, models: Path = Path("models"), *, overwrite: bool = False) -> str:
    """Return the command line that goes on with the run in `folder`, which is RUNS/NAME/VERSION.

    models: the repository that the bundle goes to. overwrite: whether it replaces one that is there.
    """
    runs, name = folder.parent.parent, folder.parent.name
    places = {"--runs": runs, "--models": models}
    given = [word for option, place in places.items() if str(place) != option[2:] for word in (option, str(place))]
    words = ["snellen", "train", "--resume", "--name", name, "--version", folder.name, *given]
    return shlex.join([*words, *(["--overwrite"] if overwrite else [])])


def checkpoint_in(folder: Path | None) -> Path:
    """Return the path of the checkpoint. Raises CheckpointError for a run without a folder."""
    if folder is None:
        raise CheckpointError("a run without a folder cannot be resumed")
    return folder / CHECKPOINT


class CheckpointWriter:
    """Writes checkpoints into a folder; without a folder it writes nothing.

    warn: called with one line per failed attempt; pause_s: pause between two attempts to write the last checkpoint.
    resume_with: the command that goes on with the run; None for that of a run whose bundle goes to `models`.
    """

    def __init__(
        self,
        folder: Path | None,
        warn: Callable[[str], None] = print,
        pause_s: float = _PAUSE_S,
        resume_with: str | None = None,
    ) -> None:
        self._path = None if folder is None else folder / CHECKPOINT
        self._resume_with = resume_with
        self._warn, self._pause_s = warn, pause_s

    @property
    def how_to_resume(self) -> str:
        """Sentence that says how to continue the run."""
        return self._where("go on with")

    @property
    def how_to_recover(self) -> str:
        """Sentence that says how to continue a run that diverged."""
        return self._where("go on from it with a lower --lr", " --lr RATE")

    def _where(self, what_to_do: str, more: str = "") -> str:
        if self._path is None or not self._path.exists():
            return "nothing was kept"
        command = self._resume_with or resume_command(self._path.parent)
        return f"the last good checkpoint is {self._path}: {what_to_do}: {command}{more}"

    def save(self, state: State, *, last: bool = False) -> None:
        """Write a checkpoint.

        When that fails, the run goes on with the former one on disk. The last checkpoint is tried again for some
        minutes, so that somebody can free disk space.
        Raises CheckpointError when the last attempt failed too.
        """
        tries = _TRIES if last else 1
        for left in reversed(range(tries)):
            error = self._try(state)
            if error is None:
                return
            if last and left:
                sleep(self._pause_s)
        if last:
            raise CheckpointError(f"no checkpoint could be written: {error}; {self.how_to_resume}")

    def _try(self, state: State) -> OSError | None:
        try:
            if self._path is not None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                save_state(self._path, state)
        except OSError as error:
            self._warn(f"no checkpoint was written, training goes on: {error}")
            return error
        return None
