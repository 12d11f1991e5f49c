"""Augmentation and scaling of batches of uint8 pixels, with the operations of kornia and torchvision."""

from collections.abc import Callable

import torch
from kornia import augmentation as changes
from kornia.augmentation.auto.rand_augment import rand_augment
from torch import Tensor, nn
from torch.nn import functional
from torchvision.transforms import v2

from models.contract import Input
from training.loop.recipe import Augmentation
from training.networks.exported_module import Scaling

Mixing = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
_HALF = 0.5
_SMALLEST_ERASED = 0.02
_SMALLEST_CROP = 0.35
"""Default share of the area that a random crop keeps at least."""


class Augment(nn.Module):
    """Converts uint8 [N, H, W, C] of any size to float32 [N, C, height, width], scaled for the network.

    Every image draws its own changes; RandAugment and TrivialAugment draw theirs once per batch.
    """

    mean: Tensor
    factor: Tensor

    def __init__(self, augmentation: Augmentation, target: Input, scaling: Scaling) -> None:
        super().__init__()
        self.geometry = nn.Sequential(*_geometry(augmentation, target))
        self.colour = nn.Sequential(*_colour(augmentation, target.colour.channels))
        self.erase = nn.Sequential(*_erase(augmentation))
        self._crop, self._size = _crop(augmentation, target), (target.height, target.width)
        self.register_buffer("mean", torch.tensor(scaling.mean).reshape(1, -1, 1, 1) / 255)
        self.register_buffer("factor", 255 / torch.tensor(scaling.std).reshape(1, -1, 1, 1))

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Return the augmented and scaled images."""
        pixels = images.permute(0, 3, 1, 2).float() / 255
        if pixels.shape[2:] != self._size:
            larger = pixels.shape[2] >= self._size[0] and pixels.shape[3] >= self._size[1]
            pixels = self._crop(pixels) if larger else functional.interpolate(pixels, self._size, mode="bilinear")
        pixels = self.colour(self.geometry(pixels))
        scaled: Tensor = self.erase((pixels - self.mean) * self.factor)
        return scaled


def _crop(augmentation: Augmentation, target: Input) -> nn.Module:
    """Return the operation that crops a random part of a larger image to the target's size.

    Its proportions are those of the target, times 3/4 to 4/3.
    """
    size = (target.height, target.width)
    smallest = _SMALLEST_CROP if augmentation.crop_scale is None else augmentation.crop_scale
    shape = target.width / target.height
    crop: nn.Module = changes.RandomResizedCrop(
        size, scale=(smallest, 1.0), ratio=(shape * 3 / 4, shape * 4 / 3), p=1.0, cropping_mode="resample"
    )
    return crop


def _geometry(augmentation: Augmentation, target: Input) -> list[nn.Module]:
    chosen: list[nn.Module] = []
    if augmentation.flip is not False:
        chosen.append(changes.RandomHorizontalFlip(_HALF))
    if augmentation.vertical_flip:
        chosen.append(changes.RandomVerticalFlip(_HALF))
    if augmentation.shift:
        chosen.append(changes.RandomCrop((target.height, target.width), padding=augmentation.shift, p=1.0))
    if augmentation.rotation or augmentation.translation:
        chosen.append(
            changes.RandomAffine(augmentation.rotation, (augmentation.translation, augmentation.translation), p=1.0)
        )
    return chosen


def _colour(augmentation: Augmentation, channels: int) -> list[nn.Module]:
    """Return the operations on pixels from 0 to 1; all but the policies need three channels."""
    chosen: list[nn.Module] = []
    if augmentation.colour_jitter and channels == 3:
        amount = augmentation.colour_jitter
        chosen.append(changes.ColorJiggle(amount, amount, amount, amount / 4, p=1.0))
    if augmentation.grayscale and channels == 3:
        chosen.append(changes.RandomGrayscale(p=augmentation.grayscale))
    if augmentation.policy != "none":
        chosen.append(_rand_augment(channels) if augmentation.policy == "rand" else changes.auto.TrivialAugment())
    return chosen


def _rand_augment(channels: int) -> nn.Module:
    """Return two changes of medium strength; for grey images, saturation is left out."""
    policy = [part for part in rand_augment.default_policy if channels == 3 or part[0][0] != "color"]
    chosen: nn.Module = changes.auto.RandAugment(n=2, m=9, policy=policy)
    return chosen


def _erase(augmentation: Augmentation) -> list[nn.Module]:
    """Return random erasing, applied after scaling, where 0 is the mean of all pixels.

    Source: Zhong et al., AAAI 2020.
    """
    if not augmentation.erase:
        return []
    area = (min(_SMALLEST_ERASED, augmentation.erase_area), augmentation.erase_area)
    return [changes.RandomErasing(scale=area, ratio=(0.5, 2.0), value=0.0, p=augmentation.erase)]


def build_mixing(augmentation: Augmentation, classes: int) -> Mixing | None:
    """Return MixUp, CutMix or a random choice of both: float [N, C, H, W], int64 [N] -> mixed images, float [N, K]."""
    chosen: list[nn.Module] = []
    if augmentation.mixup:
        chosen.append(v2.MixUp(alpha=augmentation.mixup, num_classes=classes))
    if augmentation.cutmix:
        chosen.append(v2.CutMix(alpha=augmentation.cutmix, num_classes=classes))
    return v2.RandomChoice(chosen) if chosen else None


def scale(images: Tensor, scaling: Scaling) -> Tensor:
    """Scale uint8 [N, H, W, C] to float32 [N, C, H, W], as the exported graph does."""
    mean = torch.tensor(scaling.mean, device=images.device).reshape(1, -1, 1, 1)
    std = torch.tensor(scaling.std, device=images.device).reshape(1, -1, 1, 1)
    return (images.permute(0, 3, 1, 2).float() - mean) / std
