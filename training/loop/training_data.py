"""The images that a run trains and validates on, and how their pixels are scaled."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from models.contract import Input, Pixels
from training.data.labelled_images import LabelledImages, evaluation_batch
from training.loop.augmentation import scale
from training.networks.exported_module import Scaling
from training.networks.network import Network

_SAMPLE = 5000


@dataclass(frozen=True)
class TrainingData:
    """Images of one run. Training images may be larger than `target`; each is cropped at random."""

    train: LabelledImages
    validation: LabelledImages
    target: Input
    scaling: Scaling
    classes: int


def scaling_of(images: Pixels) -> Scaling:
    """Return mean and standard deviation of each channel, over some thousand images of uint8 [N, H, W, C]."""
    sample = images[:: max(1, len(images) // _SAMPLE)]
    mean, std = sample.mean((0, 1, 2)), sample.std((0, 1, 2))
    return Scaling([round(float(m), 4) for m in mean], [round(max(float(s), 1.0), 4) for s in std])


def logits_of(network: Network, images: Pixels, scaling: Scaling) -> NDArray[np.float32]:
    """Return logits, float32 [N, K], of uint8 [N, H, W, C], computed in full precision."""
    network.eval()
    device, size = next(network.parameters()).device, evaluation_batch(images)
    with torch.inference_mode():
        pieces = [
            network(scale(torch.from_numpy(images[i : i + size]).to(device), scaling)).cpu()
            for i in range(0, len(images), size)
        ]
    return np.asarray(torch.cat(pieces).numpy(), np.float32)
