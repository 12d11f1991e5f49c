"""Textbook networks that neither timm nor torchvision has. Shapes at line ends are for the input size of the paper."""

import torch
from torch import nn

from models.contract import Input
from training.networks.network import Network


def lenet_5(classes: int, target: Input) -> Network:
    """Build LeNet-5.

    Every map of its third layer reads all maps of the second, and pooling has no trained coefficients.
    28x28 pixels are padded to the 32x32 of the paper.
    Source: LeCun et al., Gradient-based learning applied to document recognition, 1998.
    """
    body = nn.Sequential(
        nn.Conv2d(target.colour.channels, 6, 5, padding=2),  # [N, 6, 28, 28]
        nn.Tanh(),
        nn.AvgPool2d(2),  # [N, 6, 14, 14]
        nn.Conv2d(6, 16, 5),  # [N, 16, 10, 10]
        nn.Tanh(),
        nn.AvgPool2d(2),  # [N, 16, 5, 5]
        nn.Flatten(),  # [N, 400]
        nn.LazyLinear(120),
        nn.Tanh(),
        nn.Linear(120, 84),
        nn.Tanh(),
    )
    return Network(_sized(body, target), nn.Linear(84, classes), pooled=False)


def two_conv(classes: int, target: Input) -> Network:
    """Build the digit network of the Keras examples (mnist_cnn): 1,199,882 parameters for ten classes of 28x28 grey."""
    body = nn.Sequential(
        nn.Conv2d(target.colour.channels, 32, 3),  # [N, 32, 26, 26]
        nn.ReLU(),
        nn.Conv2d(32, 64, 3),  # [N, 64, 24, 24]
        nn.ReLU(),
        nn.MaxPool2d(2),  # [N, 64, 12, 12]
        nn.Dropout(0.25),
        nn.Flatten(),  # [N, 9216]
        nn.LazyLinear(128),
        nn.ReLU(),
    )
    return Network(_sized(body, target), nn.Linear(128, classes), pooled=False, dropout=0.5)


def three_conv(classes: int, target: Input) -> Network:
    """Build three unpadded convolutions with batch norm, then global average pooling (Lin et al., 2013).

    Without padding, one pass over a larger image gives exactly what sliding the network over it at stride 4 gives.
    """
    body = nn.Sequential(
        *_conv_norm(target.colour.channels, 32),  # [N, 32, 30, 30]
        nn.MaxPool2d(2),  # [N, 32, 15, 15]
        *_conv_norm(32, 64),  # [N, 64, 13, 13]
        nn.MaxPool2d(2),  # [N, 64, 6, 6]
        *_conv_norm(64, 128),  # [N, 128, 4, 4]
    )
    return Network(body, nn.Linear(128, classes), pooled=True, dropout=0.5)


def zfnet(classes: int, target: Input) -> Network:
    """Build the network of Zeiler and Fergus, Visualizing and understanding convolutional networks, 2013, figure 3."""
    body = nn.Sequential(
        nn.Conv2d(target.colour.channels, 96, 7, stride=2, padding=1),  # [N, 96, 110, 110]
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2, padding=1),  # [N, 96, 55, 55]
        nn.LocalResponseNorm(5, k=2),
        nn.Conv2d(96, 256, 5, stride=2),  # [N, 256, 26, 26]
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2, padding=1),  # [N, 256, 13, 13]
        nn.LocalResponseNorm(5, k=2),
        nn.Conv2d(256, 384, 3, padding=1),  # [N, 384, 13, 13]
        nn.ReLU(),
        nn.Conv2d(384, 384, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2),  # [N, 256, 6, 6]
        nn.Flatten(),  # [N, 9216]
        nn.LazyLinear(4096),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(4096, 4096),
        nn.ReLU(),
    )
    return Network(_sized(body, target), nn.Linear(4096, classes), pooled=False, dropout=0.5)


def _conv_norm(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(inputs, outputs, 3, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()


def _sized(body: nn.Sequential, target: Input) -> nn.Sequential:
    """Initialise the first dense layer with the number of inputs that images of this size give."""
    with torch.no_grad():
        body.eval()(torch.zeros(1, target.colour.channels, target.height, target.width))
    return body.train()
