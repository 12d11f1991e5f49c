"""The recipe of a run: all hyperparameters, as one value that is stored with the run."""

import math
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

OptimizerName = Literal["muon", "sgd", "momentum", "rmsprop", "adam", "adamw"]
ScheduleName = Literal["constant", "step", "cosine", "one-cycle"]
NumberFormat = Literal["auto", "float32", "bfloat16"]
Share = Field(ge=0, le=1)

_PEAK_RATES: dict[OptimizerName, float] = {
    "muon": 0.03,
    "sgd": 0.1,
    "momentum": 0.05,
    "rmsprop": 1e-3,
    "adam": 1e-3,
    "adamw": 1e-3,
}
_DECAYS: dict[OptimizerName, float] = {"muon": 5e-3, "adamw": 0.05}
_USUAL_DECAY = 5e-4


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Augmentation(_Part):
    """Random changes of training images that do not change their label; each image draws its own."""

    flip: bool | None = Field(
        None, description="mirror half of the images; default: unless they are grey pictures of digits or letters"
    )
    vertical_flip: bool = Field(False, description="turn half of the images upside down")
    shift: int = Field(2, ge=0, description="crop after padding by so many pixels a side")
    crop_scale: float | None = Field(
        None,
        gt=0,
        le=1,
        description="smallest share of the area that a random crop of a larger photo keeps; default: 0.35, and whole "
        "pictures where resize is squash or pad",
    )
    rotation: float = Field(0.0, ge=0, le=180, description="degrees, either way")
    translation: float = Field(0.0, ge=0, lt=1, description="share of the side, either way")
    colour_jitter: float = Field(0.0, ge=0, le=1, description="brightness, contrast and saturation; hue by a quarter")
    grayscale: float = Field(0.0, ge=0, le=1, description="share of the images that lose their colour")
    erase: float = Field(0.5, ge=0, le=1, description="share of the images with a rectangle painted over")
    erase_area: float = Field(0.15, gt=0, le=1, description="largest share of the area that is painted over")
    policy: Literal["none", "rand", "trivial"] = Field("none", description="RandAugment or TrivialAugment")
    mixup: float = Field(0.0, ge=0, description="alpha of MixUp; 0 switches it off")
    cutmix: float = Field(0.0, ge=0, description="alpha of CutMix; 0 switches it off")


class Recipe(_Part):
    """Hyperparameters. The defaults are those of Fashion-MNIST, chosen on images held out of its training set."""

    epochs: int = Field(32, ge=1, description="passes over the training images, of 16 steps at least")
    batch_size: int | None = Field(
        None, ge=2, description="images a step; default: 16 to 128, so that an epoch has at least 16 steps"
    )
    accumulate: int = Field(1, ge=1, description="batches whose gradients are added up before a step")
    optimizer: OptimizerName = Field("muon", description="muon takes the convolutions, with SGD for the rest")
    lr: float | None = Field(None, gt=0, description="peak learning rate; default: one that suits the optimizer")
    weight_decay: float | None = Field(None, ge=0, description="not on norms and biases; default: by optimizer")
    schedule: ScheduleName = Field("one-cycle", description="of the learning rate, after the warm-up")
    warm_up: float = Field(0.15, ge=0, lt=1, description="share of the steps in which the rate rises")
    label_smoothing: float = Field(0.05, ge=0, lt=1, description="share of the target spread over all classes")
    clip: float | None = Field(None, gt=0, description="largest norm of the gradient")
    average: float = Field(0.998, ge=0, lt=1, description="decay of the moving average of the weights; 0: none")
    patience: int = Field(
        10,
        ge=0,
        description="epochs with a lower validation accuracy than before, after the warm-up, until it stops; 0: never",
    )
    balance: bool = Field(False, description="draw images so that all classes are seen equally often")
    precision: NumberFormat = Field("auto", description="auto: bfloat16 where the device computes in it")
    freeze: int = Field(0, ge=0, description="first epochs in which a pretrained body is kept as it is")
    unfreeze: float = Field(1.0, ge=0, le=1, description="share of the body, from the top, that learns after them")
    body_lr: float = Field(0.1, gt=0, le=1, description="learning rate of a pretrained body, as a share of the head's")
    augmentation: Augmentation = Augmentation()

    @property
    def peak_lr(self) -> float:
        """Peak learning rate, by default that of the optimizer."""
        return self.lr if self.lr is not None else _PEAK_RATES[self.optimizer]

    @property
    def decay(self) -> float:
        """Weight decay, by default that of the optimizer."""
        return self.weight_decay if self.weight_decay is not None else _DECAYS.get(self.optimizer, _USUAL_DECAY)

    def is_exhausted(self, epoch: int, best: int) -> bool:
        """Return whether to stop after `epoch` since the score of `best` is still the best one; both count from 1.

        Epochs of the warm-up do not count: what they lead to shows only later.
        """
        return 0 < self.patience <= epoch - max(best, math.ceil(self.warm_up * self.epochs))

    @model_validator(mode="after")
    def _thaws_before_it_ends(self) -> Self:
        if self.freeze > self.epochs:
            raise ValueError(f"freeze {self.freeze} is more than the {self.epochs} epochs of the run")
        return self
