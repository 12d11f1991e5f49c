"""Order and batches of an epoch; the same for the same seed and epoch, wherever a run was interrupted."""

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


@dataclass
class BatchSampler:
    """Yields batches of uint8 images [n, H, W, C] and labels [n] on the device, and measures the time this takes.

    weights: probability of drawing each image, with replacement; None draws every image once.
    """

    images: LabelledImages
    recipe: Recipe
    seed: int
    device: Device
    weights: NDArray[np.float64] | None = None
    waited_s: float = 0.0

    def __post_init__(self) -> None:
        self.size = min(self.recipe.batch_size, len(self.images))
        if self.size < self.device.world:
            raise ConfigurationError(f"{self.device.world} processes cannot share {self.size} images: take fewer")
        self.steps = len(self.images) // self.size
        """Steps an epoch; the last incomplete batch is left out."""

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
        random = np.random.default_rng((self.seed, epoch))
        if self.weights is None:
            return random.permutation(len(self.images))
        return random.choice(len(self.images), len(self.images), p=self.weights / self.weights.sum())

    def _take(self, chosen: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Copy the images of a batch in one operation, also from a file mapped into memory."""
        batch = self.images.take(chosen)
        images, labels = torch.from_numpy(np.ascontiguousarray(batch.images)), torch.from_numpy(batch.labels)
        device = self.device.torch_device
        return images.to(device, non_blocking=True), labels.to(device, non_blocking=True)
