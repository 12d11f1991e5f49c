"""A run between two steps: everything in it can be written down and read back."""

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
from training.loop.batch_sampler import Batches
from training.loop.checkpoint import Keeper, State, checkpoint_in, load_state, random_state, restore_random_state
from training.loop.device import Place
from training.loop.fine_tuning import set_phase
from training.loop.history import Epoch, Journal, keep_history
from training.loop.interruption import Interruption
from training.loop.recipe import Recipe
from training.loop.trainer import Trainer
from training.loop.training_data import Lesson, logits_of
from training.networks.network import Network

_CHECK_EVERY = 16
"""Steps between two looks at the loss; each look waits for the device."""
_FITTED = 5000
"""Validation images that a temperature is fitted to after each epoch."""


@dataclass(frozen=True)
class Score:
    """On the validation images, after an epoch counted from 1; the NLL is that of the best temperature for it."""

    epoch: int
    accuracy: float
    nll: float

    def beats(self, other: "Score") -> bool:
        """By accuracy, and by NLL where that is the same: the temperature is fitted anew after training."""
        return (self.accuracy, -self.nll) > (other.accuracy, -other.nll)


def score_of(logits: NDArray[np.float32], labels: NDArray[np.int64], epoch: int) -> Score:
    """Score of float32 logits [N, K]; one that is no number where a logit is none."""
    if not np.isfinite(logits).all():
        return Score(epoch, 0.0, math.nan)
    probabilities = softmax(logits, fit_temperature(logits[:_FITTED], labels[:_FITTED]))
    return Score(epoch, accuracy(probabilities, labels), negative_log_likelihood(probabilities, labels))


class Run:
    """A run between two steps; everything in it can be written down and read back."""

    def __init__(
        self,
        network: Network,
        lesson: Lesson,
        recipe: Recipe,
        *,
        seed: int,
        place: Place,
        folder: Path | None,
        resume: bool = False,
    ) -> None:
        self.recipe, self.lesson, self.place = recipe, lesson, place
        weights = sampling_weights(lesson.train.labels) if recipe.balance else None
        self.batches = Batches(lesson.train, recipe, seed, place, weights)
        steps = self.batches.steps * recipe.epochs
        self.trainer = Trainer(network, recipe, lesson.target, lesson.scaling, lesson.classes, steps, place)
        self.best, self._best_state = Score(0, 0.0, math.inf), self.trainer.average.network.state_dict()
        self.epoch, self._stopped = 1, False
        self._losses: list[float] = []
        self._pending: list[Tensor] = []
        self._folder = folder
        if resume:
            self._restore(load_state(checkpoint_in(folder)))
        self.journal = self._journal()
        self.keeper = Keeper(folder if place.leads else None, say=self.journal.progress.say)

    @property
    def goes_on(self) -> bool:
        return self.epoch <= self.recipe.epochs and not self._stopped

    def epoch_of_steps(self, interruption: Interruption) -> None:
        """The steps of this epoch that are still to do."""
        set_phase(self.trainer.network, self.recipe, self.epoch)
        self._started, self._seen = perf_counter(), 0
        self.batches.waited_s = self.trainer.augmented_s = 0.0
        for images, labels in self.batches.epoch(self.epoch, first=len(self._losses)):
            self._pending.append(self.trainer.train_batch(images, labels))
            self._seen += self.batches.size
            self.journal.progress.advance(self.batches.size)
            stop = self.place.agree(interruption.signal is not None)
            if stop or len(self._pending) == _CHECK_EVERY:
                self._settle()
            if stop:
                self.keeper.save(self.state())
                raise interruption.error(self.keeper.how_to_resume)
        self._settle()

    def close_epoch(self) -> None:
        """Evaluate, keep the best, report, and write a checkpoint."""
        if self.place.leads:
            self._report(perf_counter() - self._started)
        self.epoch, self._losses = self.epoch + 1, []
        self._stopped = self.place.agree(self._stopped)
        self.keeper.save(self.state(), last=not self.goes_on)

    def best_network(self) -> Network:
        network = self.trainer.average.network
        network.load_state_dict(self._best_state)
        return network

    def state(self) -> State:
        """All processes have to ask at the same step: each adds its random numbers."""
        return {
            "trainer": self.trainer.state(),
            "epoch": self.epoch,
            "losses": self._losses,
            "stopped": self._stopped,
            "best": asdict(self.best),
            "best_network": self._best_state,
            "random": self.place.gather(random_state()),
        }

    def _restore(self, state: State) -> None:
        self.trainer.restore(state["trainer"])
        self.epoch, self._losses, self._stopped = state["epoch"], state["losses"], state["stopped"]
        self.best, self._best_state = Score(**state["best"]), state["best_network"]
        restore_random_state(state["random"], self.place.rank)
        if self._folder is not None and self.place.leads:
            keep_history(self._folder, self.epoch - 1)

    def _journal(self) -> Journal:
        size = self.batches.size
        images = self.batches.steps * size * self.recipe.epochs
        return Journal(self._folder, images, done=self.trainer.step * size, leads=self.place.leads)

    def _settle(self) -> None:
        """Look at the losses since the last look, and at the weights that came of them."""
        self._losses += [self.trainer.check(loss) for loss in self._pending]
        self.trainer.check_weights()
        if self._pending:
            self.journal.step(self.trainer.step, self._losses[-1], self.trainer.rate())
        self._pending.clear()

    def _report(self, took_s: float) -> None:
        validation, average = self.lesson.validation, self.trainer.average.network
        logits = logits_of(average, validation.images, self.lesson.scaling)
        score = score_of(logits, validation.labels, self.epoch)
        self.trainer.check_number("validation NLL", score.nll)
        self.journal.epoch(self._record(score, took_s), self.recipe.epochs)
        shown = torch.from_numpy(np.ascontiguousarray(validation.images[:16]))
        predicted = torch.from_numpy(logits[:16].argmax(axis=1))
        self.journal.pictures(average, shown, torch.from_numpy(validation.labels[:16]), predicted, self.epoch)
        self._judge(score)

    def _record(self, score: Score, took_s: float) -> Epoch:
        return Epoch(
            epoch=score.epoch,
            loss=sum(self._losses) / max(len(self._losses), 1),
            lr=self.trainer.rate(),
            accuracy=score.accuracy,
            nll=score.nll,
            images_per_s=round(self._seen / max(took_s, 1e-9), 1),
            data_wait=round((self.batches.waited_s + self.trainer.augmented_s) / max(took_s, 1e-9), 4),
        )

    def _judge(self, score: Score) -> None:
        if score.beats(self.best):
            network = self.trainer.average.network
            self.best, self._best_state = score, {key: value.clone() for key, value in network.state_dict().items()}
        elif self.recipe.patience and score.epoch - self.best.epoch >= self.recipe.patience:
            self._stopped = True
            self.journal.progress.say(f"stopped early: nothing better since epoch {self.best.epoch}")
