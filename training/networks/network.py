"""What every classifier is to the rest of training: a body, and a head on top of it."""

import torch
from torch import Tensor, nn


class GlobalAveragePool(nn.Module):
    """[N, F, h, w] -> [N, F]."""

    def forward(self, features: Tensor) -> Tensor:
        return features.mean((2, 3))


class Network(nn.Module):
    """body: float [N, C, H, W] -> features [N, F, h, w] if `pooled`, else an embedding [N, F]; head: [N, F] -> [N, K].

    `pooled`: between the two there is nothing but the mean over h and w, so a linear head makes a class map.
    """

    def __init__(self, body: nn.Module, head: nn.Module, *, pooled: bool, dropout: float = 0.0) -> None:
        super().__init__()
        self.body, self.head, self.pooled = body, head, pooled
        self.pool = GlobalAveragePool() if pooled else nn.Identity()
        self.dropout = nn.Dropout(dropout)

    def forward(self, pixels: Tensor) -> Tensor:
        """pixels: float [N, C, H, W], scaled. Returns logits [N, K]."""
        logits: Tensor = self.head(self.dropout(self.embed(pixels)))
        return logits

    def embed(self, pixels: Tensor) -> Tensor:
        """The input of the head: float [N, F]."""
        embedding: Tensor = self.pool(self.body(pixels))
        return embedding

    @property
    def has_class_map(self) -> bool:
        return self.pooled and isinstance(self.head, nn.Linear)


def is_fully_convolutional(network: Network, channels: int, height: int, width: int) -> bool:
    """Whether the features grow with the image, so that one pass classifies every part of a larger one."""
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
    """Trained numbers: weights and biases, not the running statistics of norms."""
    return sum(parameter.numel() for parameter in network.parameters())
