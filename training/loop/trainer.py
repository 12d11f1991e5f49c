"""Training steps, and all state that they change."""

import math
from time import perf_counter

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_

from models.contract import Input
from training.errors import DivergedError
from training.loop.augmentation import Augment, build_mixing
from training.loop.checkpoint import State
from training.loop.device import Device
from training.loop.ema import MovingAverage
from training.loop.lr_schedule import build_schedules
from training.loop.optimizers import build_optimizers
from training.loop.recipe import Recipe
from training.networks.exported_module import Scaling
from training.networks.network import Network

_MANY_STEPS = 1000
"""Number of steps from which on the moving average is updated every fourth step only, with the same result."""


class Trainer:
    """Weights, their moving average, optimizers and the number of steps."""

    def __init__(
        self,
        network: Network,
        recipe: Recipe,
        target: Input,
        scaling: Scaling,
        classes: int,
        steps: int,
        device: Device,
    ) -> None:
        self.network = network.to(device.torch_device).to(memory_format=torch.channels_last)
        self.optimizers = build_optimizers(self.network, recipe)
        self.average = MovingAverage(self.network, recipe.average, every=4 if steps >= _MANY_STEPS else 1)
        self.step = 0
        self.augmented_s = 0.0
        """Seconds spent on augmentation; on a GPU, only the time to launch it."""
        self._schedules = build_schedules(
            self.optimizers, steps, recipe.schedule, recipe.warm_up, accumulate=recipe.accumulate
        )
        self.rate = self._first_rate()
        """Learning rate, in the last step, of the first group that learns: the head where the body is frozen."""
        self._augment = Augment(recipe.augmentation, target, scaling).to(device.torch_device)
        self._mix = build_mixing(recipe.augmentation, classes)
        self._recipe, self._device = recipe, device
        self._wrapped = device.wrap(self.network, freezes=bool(recipe.freeze))

    def train_batch(self, images: Tensor, labels: Tensor) -> Tensor:
        """Train on uint8 images [n, H, W, C] and labels [n]. Returns the loss, which may not be finite."""
        pixels, targets = self._prepare(images, labels)
        with self._device.autocast(self._recipe.precision):
            logits = self._wrapped(pixels.contiguous(memory_format=torch.channels_last))
        loss = functional.cross_entropy(logits.float(), targets, label_smoothing=self._recipe.label_smoothing)
        torch.autograd.backward(loss / self._recipe.accumulate)
        self._step_optimizers()
        return loss.detach()

    def _prepare(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        started = perf_counter()
        pixels = self._augment(images)
        mixed = (pixels, labels) if self._mix is None else self._mix(pixels, labels)
        self.augmented_s += perf_counter() - started
        return mixed

    def _step_optimizers(self) -> None:
        """Step the optimizers, unless gradients are still accumulated over several batches."""
        self.step += 1
        if self.step % self._recipe.accumulate:
            return
        if self._recipe.clip is not None:
            clip_grad_norm_(self.network.parameters(), self._recipe.clip)
        self.rate = self._first_rate()
        for optimizer, schedule in zip(self.optimizers, self._schedules, strict=True):
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            schedule.step()
        self.average.update(self.network, self.step // self._recipe.accumulate)

    def check(self, loss: Tensor) -> float:
        """Return the loss as a number. Raises DivergedError when it is not finite."""
        return self.check_number("loss", loss.item())

    def check_number(self, name: str, value: float) -> float:
        """Return `value`. Raises DivergedError when it is not finite."""
        if not math.isfinite(value):
            raise self._diverged(f"the {name} is {value}")
        return value

    def check_weights(self) -> None:
        """Raise DivergedError when a weight is not finite, which the loss of the step before does not show."""
        if not all(torch.isfinite(parameter).all() for parameter in self.network.parameters()):
            raise self._diverged("a weight is no longer a number")

    def _diverged(self, what: str) -> DivergedError:
        return DivergedError(f"{what} at step {self.step}: lower the learning rate (--lr) or look at the data")

    def _first_rate(self) -> float:
        groups = [group for optimizer in self.optimizers for group in optimizer.param_groups]
        learning = (group for group in groups if any(parameter.requires_grad for parameter in group["params"]))
        return float(next(learning, groups[0])["lr"])

    def state(self) -> State:
        """Return everything that a checkpoint has to hold."""
        return {
            "step": self.step,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "schedules": [schedule.state_dict() for schedule in self._schedules],
            "rate": self.rate,
            "gradients": [parameter.grad for parameter in self.network.parameters()],
        }

    def restore(self, state: State) -> None:
        """Continue from the state of a checkpoint."""
        self.step = state["step"]
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        for schedule, saved in zip(self._schedules, state["schedules"], strict=True):
            schedule.load_state_dict(saved)
        self.rate = state["rate"]
        for parameter, gradient in zip(self.network.parameters(), state["gradients"], strict=True):
            parameter.grad = None if gradient is None else gradient.to(parameter.device)
