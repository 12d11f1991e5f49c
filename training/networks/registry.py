"""Networks by name: those of the registry, and `timm/<model>` for any classifier that timm has."""

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial

from models.contract import Colour, Input
from training.errors import TrainingError
from training.networks import textbook, torchvision_models
from training.networks.network import Network
from training.networks.small_resnet import medium_resnet, small_resnet
from training.networks.timm_hub import input_size, require_known
from training.networks.timm_models import timm_network

TIMM = "timm/"


@dataclass(frozen=True)
class NetworkInfo:
    """Properties of a network before it is built.

    build: builds it for a number of classes and an input; smallest: shortest side in pixels; native: the images it was
    designed for; origin: the library that it comes from.
    """

    build: Callable[[int, Input], Network]
    smallest: int
    native: Input
    origin: str
    paper: str

    @property
    def classes(self) -> int:
        """Number of classes of its paper's data: ten digits or pictures, or ImageNet's thousand."""
        return 10 if self.native.height < 64 else 1000


def _grey(side: int) -> Input:
    return Input(colour=Colour.L, height=side, width=side)


def _colour(side: int) -> Input:
    return Input(colour=Colour.RGB, height=side, width=side)


def _small_resnet(classes: int, target: Input) -> Network:
    return small_resnet(classes, target.colour.channels)


def _medium_resnet(classes: int, target: Input) -> Network:
    return medium_resnet(classes, target.colour.channels)


def _timm(name: str, smallest: int, paper: str, *, native: int = 224, dropout: float = 0.0) -> NetworkInfo:
    return NetworkInfo(partial(timm_network, name, dropout=dropout), smallest, _colour(native), f"timm {name}", paper)


NETWORKS = {
    "lenet-5": NetworkInfo(textbook.lenet_5, 12, _grey(28), "own", "LeCun et al. 1998"),
    "two-conv": NetworkInfo(textbook.two_conv, 6, _grey(28), "own", "Keras examples, mnist_cnn, 2015"),
    "three-conv": NetworkInfo(textbook.three_conv, 18, _colour(32), "own", "Lin et al. 2013 (arXiv:1312.4400)"),
    "small-resnet": NetworkInfo(_small_resnet, 4, _grey(28), "own", "He et al. 2015 (arXiv:1512.03385)"),
    "medium-resnet": NetworkInfo(_medium_resnet, 4, _grey(28), "own", "He et al. 2015 (arXiv:1512.03385)"),
    "alexnet": NetworkInfo(
        torchvision_models.alexnet, 63, _colour(224), "torchvision", "Krizhevsky 2014 (arXiv:1404.5997)"
    ),
    "zfnet": NetworkInfo(textbook.zfnet, 53, _colour(224), "own", "Zeiler and Fergus 2013 (arXiv:1311.2901)"),
    "vgg-16": NetworkInfo(
        torchvision_models.vgg_16, 32, _colour(224), "torchvision", "Simonyan and Zisserman 2014 (arXiv:1409.1556)"
    ),
    "googlenet": NetworkInfo(
        torchvision_models.googlenet, 15, _colour(224), "torchvision", "Szegedy et al. 2014 (arXiv:1409.4842)"
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
    "shufflenet-v2": NetworkInfo(
        torchvision_models.shufflenet_v2, 32, _colour(224), "torchvision", "Ma et al. 2018 (arXiv:1807.11164)"
    ),
    "ghostnet": _timm("ghostnet_100", 32, "Han et al. 2019 (arXiv:1911.11907)", dropout=0.2),
    "squeezenet": NetworkInfo(
        torchvision_models.squeezenet, 17, _colour(224), "torchvision", "Iandola et al. 2016 (arXiv:1602.07360)"
    ),
    "convnext-tiny": _timm("convnext_tiny", 32, "Liu et al. 2022 (arXiv:2201.03545)"),
    "vit-tiny": _timm("vit_tiny_patch16_224", 16, "Dosovitskiy et al. 2020 (arXiv:2010.11929)"),
    "swin-tiny": _timm("swin_tiny_patch4_window7_224", 32, "Liu et al. 2021 (arXiv:2103.14030)"),
}


def network_names() -> tuple[str, ...]:
    """Return the names of the registry; besides them, any `timm/<model>` can be built."""
    return tuple(NETWORKS)


def build_network(name: str, classes: int, target: Input, *, pretrained: bool = False) -> Network:
    """Build an untrained network for `classes` and images of `target`; with `pretrained`, its body has timm's weights.

    Raises TrainingError for an unknown name, images that are too small, or weights that cannot be loaded.
    """
    info = find_network_info(name)
    if min(target.height, target.width) < info.smallest:
        least = f"{info.smallest}x{info.smallest}"
        raise TrainingError(f"{name} needs images of at least {least} pixels, not {target.width}x{target.height}")
    if not pretrained:
        return info.build(classes, target)
    library, _, model = info.origin.partition(" ")
    if library != "timm":
        raise TrainingError(f"{name} has no published weights here: choose a network of timm, such as resnet-18")
    return timm_network(model, classes, target, pretrained=True)


def find_network_info(name: str) -> NetworkInfo:
    """Return the properties of a network. Raises TrainingError with the nearest names for an unknown one."""
    if name in NETWORKS:
        return NETWORKS[name]
    if name.startswith(TIMM):
        return _timm_info(name.removeprefix(TIMM))
    close = get_close_matches(name, NETWORKS, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(close)}?" if close else f"there is: {', '.join(NETWORKS)}."
    raise TrainingError(f"there is no network {name!r}; {hint} Any timm/<model> is taken, too")


def _timm_info(model: str) -> NetworkInfo:
    require_known(model)
    height, width = input_size(model)
    native = Input(colour=Colour.RGB, height=height, width=width)
    return NetworkInfo(partial(timm_network, model), smallest=1, native=native, origin=f"timm {model}", paper="")
