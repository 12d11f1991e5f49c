"""Residual networks for small images: 0.48 or 0.64 million parameters, 51 or 87 million multiply-adds at 28x28."""

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
    """Build the network with 0.48 million parameters: a residual block at each of the three resolutions."""
    return _residual_network(classes, channels, widths=(32, 64, 128), blocks=(1, 1, 1))


def medium_resnet(classes: int, channels: int = 1) -> Network:
    """Build the network with 0.64 million parameters: a second block at full resolution, a wider one at half."""
    return _residual_network(classes, channels, widths=(32, 96, 128), blocks=(2, 1, 1))


def _residual_network(classes: int, channels: int, widths: tuple[int, ...], blocks: tuple[int, ...]) -> Network:
    """Build stages of residual blocks; each stage but the first halves the resolution, from 28x28 to 14x14 to 7x7."""
    layers: list[nn.Module] = []
    inputs = channels
    for stage, (width, count) in enumerate(zip(widths, blocks, strict=True)):
        layers += [ConvNorm(inputs, width, stride=2 if stage else 1), nn.ReLU()]
        layers += [Residual(width) for _ in range(count)]
        inputs = width
    return Network(nn.Sequential(*layers), nn.Linear(inputs, classes), pooled=True)
