"""Random changes that leave the label true, on whole batches of uint8 pixels."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Augmentation:
    """`flip`: mirror half of the images; `shift`: by up to so many pixels each way.

    `erase`: side of a square that is painted over, in `erase_share` of the images.
    """

    flip: bool = True
    shift: int = 1
    erase: int = 8
    erase_share: float = 0.5


def augment(images: Tensor, how: Augmentation, fill: int, random: torch.Generator) -> Tensor:
    """images: uint8 [N, H, W]; returns the same. `fill` is the grey level of what is painted over."""
    if how.flip:
        mirrored = torch.rand(len(images), generator=random) < 0.5
        images = torch.where(mirrored[:, None, None], images.flip(-1), images)
    if how.shift:
        images = _shift(images, how.shift, random)
    if how.erase:
        chosen = torch.rand(len(images), generator=random) < how.erase_share
        images = images.masked_fill(_squares(images.shape, how.erase, random) & chosen[:, None, None], fill)
    return images


def _shift(images: Tensor, distance: int, random: torch.Generator) -> Tensor:
    """Move each image by its own distance; black comes in at the border."""
    count, height, width = images.shape
    padded = functional.pad(images, (distance,) * 4)
    rows, columns = torch.randint(0, 2 * distance + 1, (2, count, 1), generator=random)
    rows, columns = rows + torch.arange(height), columns + torch.arange(width)  # [N, H], [N, W]
    return padded[torch.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]


def _squares(shape: torch.Size, side: int, random: torch.Generator) -> Tensor:
    """bool [N, H, W]: one square an image, its centre anywhere in the image."""
    count, height, width = shape
    top = torch.randint(-(side // 2), height - side // 2, (count, 1), generator=random)
    left = torch.randint(-(side // 2), width - side // 2, (count, 1), generator=random)
    rows, columns = torch.arange(height) - top, torch.arange(width) - left  # [N, H], [N, W]
    return ((rows >= 0) & (rows < side))[:, :, None] & ((columns >= 0) & (columns < side))[:, None, :]
