"""A body whose network was trained on pixels in the order blue, green, red."""

from torch import Tensor, nn


class ReversedChannels(nn.Module):
    """Gives the channels of the pixels to `body` in reverse order."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the features of pixels, float [N, C, H, W]."""
        features: Tensor = self.body(pixels[:, [2, 1, 0]])
        return features
