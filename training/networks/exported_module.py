"""The module that is exported: uint8 pixels in, calibrated probabilities, logits and class map out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.contract import Pixels, Row
from training.networks.network import Network


@dataclass(frozen=True)
class Scaling:
    """How a pixel of 0 to 255 becomes the network's input: (pixel - mean) / std, per channel."""

    mean: Sequence[float]
    std: Sequence[float]


class ExportedModule(nn.Module):
    """A network with the scaling and softmax that the ONNX graph contains."""

    mean: Tensor
    factor: Tensor
    temperature: Tensor

    def __init__(self, network: Network, scaling: Scaling, temperature: float = 1.0) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(scaling.mean).reshape(1, -1, 1, 1))
        self.register_buffer("factor", 1 / torch.tensor(scaling.std).reshape(1, -1, 1, 1))
        self.register_buffer("temperature", torch.tensor(temperature))
        self.to(memory_format=torch.contiguous_format)
        self.eval()

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Return float32 probabilities [N, K], logits [N, K] and, if there is one, class map [N, K, h, w].

        image: uint8 [N, H, W, C]. The logits do not depend on the class map, so that the service can leave it out.
        """
        pixels = image.permute(0, 3, 1, 2).to(self.mean.dtype)  # [N, C, H, W]
        features = self.network.body((pixels - self.mean) * self.factor)  # [N, F, h, w], or [N, F] where nothing pools
        embedding = features.mean((2, 3)) if self.network.pooled else features  # [N, F]
        logits = self.network.head(embedding)  # [N, K]
        probabilities = torch.softmax(logits / self.temperature, dim=1)  # [N, K]
        if not isinstance(self.network.head, nn.Linear) or not self.network.pooled:
            return probabilities, logits
        return probabilities, logits, functional.conv2d(features, self.network.head.weight[:, :, None, None])

    def classify(self, pixels: Pixels) -> Row:
        """Return probabilities, float32 [K], of one image, uint8 [H, W, C]."""
        with torch.inference_mode():
            return np.asarray(self(torch.tensor(pixels)[None])[0][0].numpy(), np.float32)
