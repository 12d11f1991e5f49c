"""The training loop: epochs of steps, an evaluation after each, a checkpoint, and the best network of them all."""

from pathlib import Path

import torch

from training.errors import DivergedError
from training.loop.device import Place
from training.loop.interruption import noting_interruptions
from training.loop.recipe import Recipe
from training.loop.training_data import Lesson
from training.loop.training_state import Run, Score
from training.networks.network import Network


def fit(
    network: Network,
    lesson: Lesson,
    recipe: Recipe,
    *,
    seed: int = 0,
    place: Place | None = None,
    folder: Path | None = None,
    resume: bool = False,
) -> tuple[Network, Score]:
    """Train `network`; returns its moving average at the epoch with the highest validation accuracy, and its score.

    With a `folder` the run keeps its checkpoint and history there; `resume` goes on from them to the very same weights.
    Raises DivergedError for a loss that is no number, InterruptedRunError after Ctrl-C or SIGTERM, CheckpointError.
    """
    place = place or Place(torch.device("cpu"))
    run = Run(network, lesson, recipe, seed=seed, place=place, folder=folder, resume=resume)
    with noting_interruptions() as interruption, run.journal:
        try:
            while run.goes_on:
                run.epoch_of_steps(interruption)
                run.close_epoch()
            if interruption.signal is not None:
                raise interruption.error(run.keeper.how_to_resume)
        except DivergedError as error:
            raise DivergedError(f"{error}; {run.keeper.how_to_recover}") from error
    return run.best_network(), run.best
