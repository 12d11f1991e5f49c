"""Order and batches of an epoch; the same for the same seed and epoch, wherever a run was interrupted."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.data.labelled_images import LabelledImages
from training.errors import ConfigurationError
from training.loop.device import Device
from training.loop.recipe import Recipe

LARGEST_BATCH, SMALLEST_BATCH = 128, 16
"""Limits of the default batch size, in images: larger batches were not tried with the default learning rates; of 78
images, batches of 8 taught a network nothing in one seed of three (docs/decisions/training-recipe.md).
"""
FEWEST_STEPS = 16
"""Steps of the shortest epoch. With one step an epoch, 32 epochs are over before a network has learnt anything."""


@dataclass(frozen=True)
class Epoch:
    """batch_size: images a step; steps: of one epoch."""

    batch_size: int
    steps: int

    @property
    def images(self) -> int:
        """Images that an epoch shows; of few images, each one several times."""
        return self.batch_size * self.steps


def plan_epoch(images: int, batch_size: int | None, processes: int = 1) -> Epoch:
    """Return the batch size and the number of steps of an epoch over `images` training images.

    batch_size: None chooses the largest power of two from 16 (for each process) to 128 that gives FEWEST_STEPS steps.
    An epoch is one pass over the images without the last incomplete batch, or more passes where they are fewer steps.
    """
    if batch_size is None:
        smallest, batch_size = SMALLEST_BATCH * processes, LARGEST_BATCH
        while batch_size > smallest and images < batch_size * FEWEST_STEPS:
            batch_size //= 2
    size = min(batch_size, images)
    return Epoch(size, max(images // size, FEWEST_STEPS))


@dataclass
class BatchSampler:
    """Yields batches of uint8 images [n, H, W, C] and labels [n] on the device, and measures the time this takes.

    weights: probability of drawing each image, with replacement; None draws every image equally often.
    """

    images: LabelledImages
    recipe: Recipe
    seed: int
    device: Device
    weights: NDArray[np.float64] | None = None
    waited_s: float = 0.0

    def __post_init__(self) -> None:
        plan = plan_epoch(len(self.images), self.recipe.batch_size, self.device.world)
        self.size, self.steps = plan.batch_size, plan.steps
        if self.size < self.device.world:
            raise ConfigurationError(f"{self.device.world} processes cannot share {self.size} images: take fewer")

    def epoch(self, epoch: int, first: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield this process's share of the batches of `epoch`, from step `first` on."""
        order = self._order(epoch)
        for step in range(first, self.steps):
            started = perf_counter()
            chosen = order[step * self.size : (step + 1) * self.size][self.device.rank :: self.device.world]
            batch = self._take(np.sort(chosen) if isinstance(self.images.images, np.memmap) else chosen)
            self.waited_s += perf_counter() - started
            yield batch

    def _order(self, epoch: int) -> NDArray[np.int64]:
        random, images = np.random.default_rng((self.seed, epoch)), len(self.images)
        passes = math.ceil(self.size * self.steps / images)
        if self.weights is None:
            return np.concatenate([random.permutation(images) for _ in range(passes)])
        return random.choice(images, images * passes, p=self.weights / self.weights.sum())

    def _take(self, chosen: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Copy the images of a batch in one operation, also from a file mapped into memory."""
        batch = self.images.take(chosen)
        images, labels = torch.from_numpy(np.ascontiguousarray(batch.images)), torch.from_numpy(batch.labels)
        device = self.device.torch_device
        return images.to(device, non_blocking=True), labels.to(device, non_blocking=True)
