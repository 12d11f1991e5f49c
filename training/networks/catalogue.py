"""Every network that has a name here: who makes it, for which images, and who thought of it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from models.contract import Colour, Input
from training.networks import classics, from_torchvision
from training.networks.from_timm import timm_network
from training.networks.network import Network
from training.networks.small_resnet import small_resnet


@dataclass(frozen=True)
class Entry:
    """`build` makes it for a number of classes and an input; `smallest`: shortest side in pixels that it takes;
    `native`: the images it was designed for; `origin`: whose code it is."""

    build: Callable[[int, Input], Network]
    smallest: int
    native: Input
    origin: str
    paper: str

    @property
    def classes(self) -> int:
        """Of the data that its paper is about: ten digits or pictures, or ImageNet's thousand."""
        return 10 if self.native.height < 64 else 1000


def _grey(side: int) -> Input:
    return Input(colour=Colour.L, height=side, width=side)


def _colour(side: int) -> Input:
    return Input(colour=Colour.RGB, height=side, width=side)


def _small_resnet(classes: int, target: Input) -> Network:
    return small_resnet(classes, target.colour.channels)


def _timm(name: str, smallest: int, paper: str, *, native: int = 224, dropout: float = 0.0) -> Entry:
    return Entry(partial(timm_network, name, dropout=dropout), smallest, _colour(native), f"timm {name}", paper)


NETWORKS = {
    "lenet-5": Entry(classics.lenet_5, 12, _grey(28), "own", "LeCun et al. 1998"),
    "two-conv": Entry(classics.two_conv, 6, _grey(28), "own", "Keras examples, mnist_cnn, 2015"),
    "three-conv": Entry(classics.three_conv, 18, _colour(32), "own", "Lin et al. 2013 (arXiv:1312.4400)"),
    "small-resnet": Entry(_small_resnet, 4, _grey(28), "own", "He et al. 2015 (arXiv:1512.03385)"),
    "alexnet": Entry(from_torchvision.alexnet, 63, _colour(224), "torchvision", "Krizhevsky 2014 (arXiv:1404.5997)"),
    "zfnet": Entry(classics.zfnet, 53, _colour(224), "own", "Zeiler and Fergus 2013 (arXiv:1311.2901)"),
    "vgg-16": Entry(
        from_torchvision.vgg_16, 32, _colour(224), "torchvision", "Simonyan and Zisserman 2014 (arXiv:1409.1556)"
    ),
    "googlenet": Entry(
        from_torchvision.googlenet, 15, _colour(224), "torchvision", "Szegedy et al. 2014 (arXiv:1409.4842)"
    ),
    "inception-v3": _timm("inception_v3", 75, "Szegedy et al. 2015 (arXiv:1512.00567)", native=299, dropout=0.5),
    "inception-resnet-v2": _timm(
        "inception_resnet_v2", 75, "Szegedy et al. 2016 (arXiv:1602.07261)", native=299, dropout=0.2
    ),
    "resnet-18": _timm("resnet18", 32, "He et al. 2015 (arXiv:1512.03385)"),
    "resnet-50": _timm("resnet50", 32, "He et al. 2015 (arXiv:1512.03385)"),
    "resnet-152": _timm("resnet152", 32, "He et al. 2015 (arXiv:1512.03385)"),
    "densenet-121": _timm("densenet121", 32, "Huang et al. 2016 (arXiv:1608.06993)"),
    "efficientnet-b0": _timm("efficientnet_b0", 32, "Tan and Le 2019 (arXiv:1905.11946)", dropout=0.2),
    "mobilenet-v2": _timm("mobilenetv2_100", 32, "Sandler et al. 2018 (arXiv:1801.04381)", dropout=0.2),
    "mobilenet-v3": _timm("mobilenetv3_large_100", 32, "Howard et al. 2019 (arXiv:1905.02244)", dropout=0.2),
    "shufflenet-v2": Entry(
        from_torchvision.shufflenet_v2, 32, _colour(224), "torchvision", "Ma et al. 2018 (arXiv:1807.11164)"
    ),
    "ghostnet": _timm("ghostnet_100", 32, "Han et al. 2019 (arXiv:1911.11907)", dropout=0.2),
    "squeezenet": Entry(
        from_torchvision.squeezenet, 17, _colour(224), "torchvision", "Iandola et al. 2016 (arXiv:1602.07360)"
    ),
    "convnext-tiny": _timm("convnext_tiny", 32, "Liu et al. 2022 (arXiv:2201.03545)"),
    "vit-tiny": _timm("vit_tiny_patch16_224", 16, "Dosovitskiy et al. 2020 (arXiv:2010.11929)"),
    "swin-tiny": _timm("swin_tiny_patch4_window7_224", 32, "Liu et al. 2021 (arXiv:2103.14030)"),
}
