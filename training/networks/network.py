"""The structure of every classifier here: a body that computes features, and a head on top of it."""

import torch
from torch import Tensor, nn


class GlobalAveragePool(nn.Module):
    """Mean over height and width: [N, F, h, w] -> [N, F]."""

    def forward(self, features: Tensor) -> Tensor:
        return features.mean((2, 3))


class Network(nn.Module):
    """A classifier.

    body: float [N, C, H, W] -> features [N, F, h, w] if `pooled`, else an embedding [N, F]; head: [N, F] -> [N, K].
    pooled: the only operation between body and head is the mean over h and w, so that a linear head gives a class map.
    """

    def __init__(self, body: nn.Module, head: nn.Module, *, pooled: bool, dropout: float = 0.0) -> None:
        super().__init__()
        self.body, self.head, self.pooled = body, head, pooled
        self.pool = GlobalAveragePool() if pooled else nn.Identity()
        self.dropout = nn.Dropout(dropout)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return logits [N, K] of scaled pixels, float [N, C, H, W]."""
        logits: Tensor = self.head(self.dropout(self.embed(pixels)))
        return logits

    def embed(self, pixels: Tensor) -> Tensor:
        """Return the input of the head: float [N, F]."""
        embedding: Tensor = self.pool(self.body(pixels))
        return embedding

    @property
    def has_class_map(self) -> bool:
        """Whether the head can be applied to each position of the features."""
        return self.pooled and isinstance(self.head, nn.Linear)


def is_fully_convolutional(network: Network, channels: int, height: int, width: int) -> bool:
    """Return whether the features grow with the image, so that one pass classifies every part of a larger image."""
    if not network.has_class_map:
        return False
    network.eval()
    device = next(network.parameters()).device
    with torch.inference_mode():
        small = network.body(torch.zeros(1, channels, height, width, device=device))
        try:
            large = network.body(torch.zeros(1, channels, 2 * height, 2 * width, device=device))
        except (RuntimeError, AssertionError, ValueError):
            return False
    return bool(large.shape[2] > small.shape[2] and large.shape[3] > small.shape[3])


def count_parameters(network: nn.Module) -> int:
    """Return the number of trained values: weights and biases, not the running statistics of norms."""
    return sum(parameter.numel() for parameter in network.parameters())
