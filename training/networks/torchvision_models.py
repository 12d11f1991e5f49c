"""Networks that torchvision has and timm lacks, split into body and head."""

from torch import nn
from torchvision import models

from models.contract import Input
from training.networks.network import Network


def alexnet(classes: int, target: Input) -> Network:
    """Build AlexNet. Source: Krizhevsky, One weird trick for parallelizing convolutional neural networks, 2014."""
    model = models.alexnet(num_classes=classes)
    *hidden, head = model.classifier
    return _network([model.features, model.avgpool, nn.Flatten(), *hidden], head, target, pooled=False)


def vgg_16(classes: int, target: Input) -> Network:
    """Build VGG-16.

    Source: Simonyan and Zisserman, Very deep convolutional networks for large-scale image recognition, 2014, table 1 D.
    """
    model = models.vgg16(num_classes=classes)
    *hidden, dropout, head = model.classifier
    body = [model.features, model.avgpool, nn.Flatten(), *hidden]
    return _network(body, head, target, pooled=False, dropout=dropout.p)


def googlenet(classes: int, target: Input) -> Network:
    """Build GoogLeNet with batch norms and without the auxiliary classifiers.

    Source: Szegedy et al., Going deeper with convolutions, 2014.
    """
    model = models.googlenet(num_classes=classes, aux_logits=False, init_weights=True)
    *body, _, dropout, head = model.children()
    return _network(body, head, target, pooled=True, dropout=dropout.p)


def shufflenet_v2(classes: int, target: Input) -> Network:
    """Build ShuffleNet V2 of width 1.0.

    Source: Ma et al., ShuffleNet V2: practical guidelines for efficient CNN architecture design, 2018.
    """
    *body, head = models.shufflenet_v2_x1_0(num_classes=classes).children()
    return _network(body, head, target, pooled=True)


def squeezenet(classes: int, target: Input) -> Network:
    """Build SqueezeNet 1.1. Source: Iandola et al., SqueezeNet, 2016.

    The last 1x1 convolution is a linear layer after the pooling, which computes the same sum in another order. It has
    no ReLU behind it, which could set a class to zero for good.
    """
    model = models.squeezenet1_1()
    dropout, last = model.classifier[:2]
    head = nn.Linear(last.in_channels, classes)
    return _network([model.features], head, target, pooled=True, dropout=dropout.p)


def _network(body: list[nn.Module], head: nn.Module, target: Input, *, pooled: bool, dropout: float = 0.0) -> Network:
    network = Network(nn.Sequential(*body), head, pooled=pooled, dropout=dropout)
    take_channels(network, target.colour.channels)
    return network


def take_channels(network: nn.Module, channels: int) -> None:
    """Give the first convolution as many input channels as the images have; torchvision builds three only."""
    name, first = next((name, part) for name, part in network.named_modules() if isinstance(part, nn.Conv2d))
    if first.in_channels != channels:
        size, stride, padding = first.kernel_size, first.stride, first.padding
        bias = first.bias is not None
        network.set_submodule(name, nn.Conv2d(channels, first.out_channels, size, stride, padding, bias=bias))  # type: ignore[arg-type]
