"""A small residual network for small images: 0.48 million parameters, 51 million multiply-adds at 28x28."""

from torch import Tensor, nn
from torch.nn import functional

from training.networks.network import Network


class ConvNorm(nn.Sequential):
    """A 3x3 convolution without bias, then batch norm."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)


class Residual(nn.Module):
    """The sum of the input and two convolutions of it.

    It starts as the identity, which makes the first epochs stable.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = ConvNorm(channels, channels)
        self.second = ConvNorm(channels, channels)
        nn.init.zeros_(self.second.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.second(functional.relu(self.first(x))))


def small_resnet(classes: int, channels: int = 1) -> Network:
    """Build the network. Shapes at line ends are for 28x28 pixels."""
    body = nn.Sequential(
        ConvNorm(channels, 32),  # [N, 32, 28, 28]
        nn.ReLU(),
        Residual(32),  # [N, 32, 28, 28]
        ConvNorm(32, 64, stride=2),  # [N, 64, 14, 14]
        nn.ReLU(),
        Residual(64),  # [N, 64, 14, 14]
        ConvNorm(64, 128, stride=2),  # [N, 128, 7, 7]
        nn.ReLU(),
        Residual(128),  # [N, 128, 7, 7]
    )
    return Network(body, nn.Linear(128, classes), pooled=True)
