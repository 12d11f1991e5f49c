"""A small residual network for small grey images: 0.76 million parameters, 51 million multiply-adds at 28x28."""

from torch import Tensor, nn
from torch.nn import functional

ARCHITECTURE = "SmallResNet: 9 convolutions of 3x3, three residual blocks, global average pooling, linear"


class ConvNorm(nn.Sequential):
    """3x3 convolution without bias, then batch norm."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)


class Residual(nn.Module):
    """x + two convolutions of it; starts as the identity, which makes the first epochs stable."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = ConvNorm(channels, channels)
        self.second = ConvNorm(channels, channels)
        nn.init.zeros_(self.second.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.second(functional.relu(self.first(x))))


class SmallResNet(nn.Module):
    """Ends in global average pooling and `head`, so its features make a class map."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            ConvNorm(1, 32),  # [N, 32, 28, 28]
            nn.ReLU(),
            ConvNorm(32, 64, stride=2),  # [N, 64, 14, 14]
            nn.ReLU(),
            Residual(64),  # [N, 64, 14, 14]
            ConvNorm(64, 128, stride=2),  # [N, 128, 7, 7]
            nn.ReLU(),
            Residual(128),  # [N, 128, 7, 7]
            Residual(128),  # [N, 128, 7, 7]
        )
        self.head = nn.Linear(128, classes)

    def forward(self, x: Tensor) -> Tensor:
        """x: float [N, 1, H, W], scaled. Returns logits [N, K]."""
        logits: Tensor = self.head(self.features(x).mean((2, 3)))
        return logits
