"""The state of a run between two steps, all of which a checkpoint holds."""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.data.class_balance import sampling_weights
from training.evaluation.metrics import accuracy, negative_log_likelihood, softmax
from training.evaluation.temperature import fit_temperature
from training.loop.batch_sampler import BatchSampler
from training.loop.checkpoint import (
    CheckpointWriter,
    State,
    checkpoint_in,
    load_state,
    random_state,
    restore_random_state,
)
from training.loop.device import Device
from training.loop.fine_tuning import set_phase
from training.loop.history import EpochRecord, RunHistory, truncate_history
from training.loop.interruption import Interruption
from training.loop.recipe import Recipe
from training.loop.trainer import Trainer
from training.loop.training_data import TrainingData, logits_of
from training.networks.network import Network

_CHECK_EVERY = 16
"""Steps between two checks of the loss; each check waits for the device."""
_FITTED = 5000
"""Validation images that a temperature is fitted to after each epoch."""


@dataclass(frozen=True)
class Score:
    """Scores on the validation images after an epoch, counted from 1; the NLL is that of the best temperature."""

    epoch: int
    accuracy: float
    nll: float

    def replaces(self, other: "Score") -> bool:
        """Return whether this score is kept instead of `other`, that of an earlier epoch: not if its accuracy is lower.

        A few validation images are all right after a few epochs, at a high rate; the later weights are better then.
        """
        return self.accuracy >= other.accuracy


def score_of(logits: NDArray[np.float32], labels: NDArray[np.int64], epoch: int) -> Score:
    """Return the score of float32 logits [N, K]; its NLL is NaN when a logit is not finite."""
    if not np.isfinite(logits).all():
        return Score(epoch, 0.0, math.nan)
    probabilities = softmax(logits, fit_temperature(logits[:_FITTED], labels[:_FITTED]))
    return Score(epoch, accuracy(probabilities, labels), negative_log_likelihood(probabilities, labels))


class TrainingState:
    """A run between two steps; a checkpoint saves and restores all of it."""

    def __init__(
        self,
        network: Network,
        data: TrainingData,
        recipe: Recipe,
        *,
        seed: int,
        device: Device,
        folder: Path | None,
        resume: bool = False,
        resume_with: str | None = None,
    ) -> None:
        self.recipe, self.data, self.device = recipe, data, device
        weights = sampling_weights(data.train.labels) if recipe.balance else None
        self.sampler = BatchSampler(data.train, recipe, seed, device, weights)
        steps = self.sampler.steps * recipe.epochs
        self.trainer = Trainer(network, recipe, data.target, data.scaling, data.classes, steps, device)
        self.best, self._best_state = Score(0, 0.0, math.inf), self.trainer.average.module.state_dict()
        self.epoch, self._stopped = 1, False
        self._losses: list[float] = []
        self._pending: list[Tensor] = []
        self._folder = folder
        if resume:
            self._restore(load_state(checkpoint_in(folder)))
        self.history = self._open_history()
        kept_in, warn = folder if device.is_main else None, self.history.progress.print_line
        self.checkpoints = CheckpointWriter(kept_in, warn, resume_with=resume_with)

    @property
    def has_epochs_left(self) -> bool:
        """Whether there are more epochs to train."""
        return self.epoch <= self.recipe.epochs and not self._stopped

    def run_epoch(self, interruption: Interruption) -> None:
        """Run the remaining steps of this epoch."""
        set_phase(self.trainer.network, self.recipe, self.epoch)
        self._started, self._seen = perf_counter(), 0
        self.sampler.waited_s = self.trainer.augmented_s = 0.0
        for images, labels in self.sampler.epoch(self.epoch, first=len(self._losses)):
            self._pending.append(self.trainer.train_batch(images, labels))
            self._seen += self.sampler.size
            self.history.progress.advance(self.sampler.size)
            stop = self.device.any_process(interruption.signal is not None)
            if stop or len(self._pending) == _CHECK_EVERY:
                self._check_losses()
            if stop:
                self.checkpoints.save(self.state())
                raise interruption.error(self.checkpoints.how_to_resume)
        self._check_losses()

    def finish_epoch(self) -> None:
        """Evaluate, keep the best weights, report, and write a checkpoint."""
        if self.device.is_main:
            self._evaluate_epoch(perf_counter() - self._started)
        self.epoch, self._losses = self.epoch + 1, []
        self._stopped = self.device.any_process(self._stopped)
        self.checkpoints.save(self.state(), last=not self.has_epochs_left)

    def best_network(self) -> Network:
        """Return the moving average of the best epoch."""
        network = self.trainer.average.module
        network.load_state_dict(self._best_state)
        return network

    def state(self) -> State:
        """Return the content of a checkpoint. All processes have to call this: each adds its random state."""
        return {
            "trainer": self.trainer.state(),
            "epoch": self.epoch,
            "losses": self._losses,
            "stopped": self._stopped,
            "best": asdict(self.best),
            "best_network": self._best_state,
            "random": self.device.gather(random_state()),
        }

    def _restore(self, state: State) -> None:
        self.trainer.restore(state["trainer"])
        self.epoch, self._losses, self._stopped = state["epoch"], state["losses"], state["stopped"]
        self.best, self._best_state = Score(**state["best"]), state["best_network"]
        restore_random_state(state["random"], self.device.rank)
        if self._folder is not None and self.device.is_main:
            truncate_history(self._folder, self.epoch - 1)

    def _open_history(self) -> RunHistory:
        size = self.sampler.size
        images = self.sampler.steps * size * self.recipe.epochs
        return RunHistory(self._folder, images, done=self.trainer.step * size, is_main=self.device.is_main)

    def _check_losses(self) -> None:
        """Check the losses since the last check, and the weights."""
        self._losses += [self.trainer.check(loss) for loss in self._pending]
        self.trainer.check_weights()
        if self._pending:
            self.history.step(self.trainer.step, self._losses[-1], self.trainer.rate)
        self._pending.clear()

    def _evaluate_epoch(self, duration_s: float) -> None:
        validation, average = self.data.validation, self.trainer.average.module
        logits = logits_of(average, validation.images, self.data.scaling)
        score = score_of(logits, validation.labels, self.epoch)
        self.trainer.check_number("validation NLL", score.nll)
        self.history.epoch(self._record(score, duration_s), self.recipe.epochs)
        shown = torch.from_numpy(np.ascontiguousarray(validation.images[:16]))
        predicted = torch.from_numpy(logits[:16].argmax(axis=1))
        self.history.add_images(average, shown, torch.from_numpy(validation.labels[:16]), predicted, self.epoch)
        self._keep_if_best(score)

    def _record(self, score: Score, duration_s: float) -> EpochRecord:
        return EpochRecord(
            epoch=score.epoch,
            loss=sum(self._losses) / max(len(self._losses), 1),
            lr=self.trainer.rate,
            accuracy=score.accuracy,
            nll=score.nll,
            images_per_s=round(self._seen / max(duration_s, 1e-9), 1),
            data_wait=round((self.sampler.waited_s + self.trainer.augmented_s) / max(duration_s, 1e-9), 4),
        )

    def _keep_if_best(self, score: Score) -> None:
        if score.replaces(self.best):
            network = self.trainer.average.module
            self.best, self._best_state = score, {key: value.clone() for key, value in network.state_dict().items()}
        elif self.recipe.is_exhausted(score.epoch, self.best.epoch):
            self._stopped = True
            self.history.progress.print_line(f"stopped early: nothing better since epoch {self.best.epoch}")
