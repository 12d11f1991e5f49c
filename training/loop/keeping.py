"""Where a run keeps its checkpoint, also when the disk is full for a while."""

from collections.abc import Callable
from pathlib import Path
from time import sleep

from training.errors import CheckpointError
from training.loop.checkpoint import State, save_state

CHECKPOINT = "checkpoint.pt"
_TRIES, _PAUSE_S = 60, 10.0


def checkpoint_in(folder: Path | None) -> Path:
    """Raises CheckpointError where a run keeps nothing."""
    if folder is None:
        raise CheckpointError("a run without a folder cannot be resumed")
    return folder / CHECKPOINT


class Keeper:
    """Writes checkpoints into a folder; without one it keeps nothing."""

    def __init__(self, folder: Path | None, say: Callable[[str], None] = print, pause_s: float = _PAUSE_S) -> None:
        self._path = None if folder is None else folder / CHECKPOINT
        self._say, self._pause_s = say, pause_s

    @property
    def how_to_resume(self) -> str:
        return self._where("go on with --resume")

    @property
    def how_to_recover(self) -> str:
        return self._where("go on from it with --resume and a lower --lr")

    def _where(self, what_to_do: str) -> str:
        if self._path is None or not self._path.exists():
            return "nothing was kept"
        return f"the last good checkpoint is {self._path}: {what_to_do}"

    def save(self, state: State, *, last: bool = False) -> None:
        """Write a checkpoint. Where that fails the run goes on, with the former one on disk; but not past its end:
        the last one is tried again for some minutes, so that somebody can make room.

        Raises CheckpointError when also the last try failed.
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
            self._say(f"no checkpoint was written, training goes on: {error}")
            return error
        return None
