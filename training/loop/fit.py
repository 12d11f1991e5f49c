"""The training loop: epochs of steps with an evaluation and a checkpoint after each; the best network is returned."""

from pathlib import Path

import torch

from training.errors import DivergedError
from training.loop.device import Device
from training.loop.interruption import catch_interruptions
from training.loop.recipe import Recipe
from training.loop.training_data import TrainingData
from training.loop.training_state import Score, TrainingState
from training.networks.network import Network


def fit(
    network: Network,
    data: TrainingData,
    recipe: Recipe,
    *,
    seed: int = 0,
    device: Device | None = None,
    folder: Path | None = None,
    resume: bool = False,
    resume_with: str | None = None,
) -> tuple[Network, Score]:
    """Train `network`. Returns its moving average and its score at the last epoch with the highest validation accuracy.

    folder: the run keeps its checkpoint and history there; with `resume` it continues from them to the very same
    weights. resume_with: the command that does so, for the sentence after an interruption.
    Raises DivergedError for a loss that is not finite, InterruptedRunError after Ctrl-C or SIGTERM, CheckpointError.
    """
    device = device or Device(torch.device("cpu"))
    state = TrainingState(
        network, data, recipe, seed=seed, device=device, folder=folder, resume=resume, resume_with=resume_with
    )
    with catch_interruptions() as interruption, state.history:
        try:
            while state.has_epochs_left:
                state.run_epoch(interruption)
                state.finish_epoch()
            if interruption.signal is not None:
                raise interruption.error(state.checkpoints.how_to_resume)
        except DivergedError as error:
            raise DivergedError(f"{error}; {state.checkpoints.how_to_recover}") from error
    return state.best_network(), state.best
