"""Where a run starts: with random weights, or with a body that others have trained on ImageNet."""

from dataclasses import dataclass

import timm
from torch import nn

from models.contract import Colour, Input
from training.configuration import TrainingConfig
from training.data.dataset import Dataset
from training.errors import ConfigurationError
from training.loop.lesson import scaling_of
from training.networks.network import Network
from training.networks.zoo import TIMM, build_network, find_entry
from training.served import Scaling

_OFFLINE = "efficientnet-lite0"
"""The network whose weights come in a Python package; the one that `start = imagenet` takes unless told otherwise."""
_SIDE = 224


@dataclass(frozen=True)
class Start:
    """A network and the scaling of the pixels that it was, or will be, trained on."""

    network: Network
    scaling: Scaling


def input_of(config: TrainingConfig) -> Input | None:
    """The network's input; None: whatever suits the data."""
    if config.start == "imagenet" and config.target is None:
        return Input(colour=Colour.RGB, height=_SIDE, width=_SIDE)
    return config.target


def start(config: TrainingConfig, dataset: Dataset) -> Start:
    """Raises TrainingError for a network that is not known, not to be had, or does not fit the images."""
    classes, target = len(dataset.facts.labels), dataset.target
    if config.start == "scratch":
        return Start(build_network(config.network, classes, target), scaling_of(dataset.train.images))
    if target.colour is not Colour.RGB:
        raise ConfigurationError("networks trained on ImageNet take colour: set colour to RGB")
    if config.network in {_OFFLINE, TrainingConfig.model_fields["network"].default}:
        return _efficientnet_lite0(classes, target)
    network = build_network(config.network, classes, target, pretrained=True)
    return Start(network, _published_scaling(config.network))


def _efficientnet_lite0(classes: int, target: Input) -> Start:
    """The body of the packaged network, with a new head. Its padding is computed for one size of image."""
    if (target.height, target.width) != (_SIDE, _SIDE):
        raise ConfigurationError(f"{_OFFLINE} takes images of {_SIDE}x{_SIDE}: leave out --size, or choose a --network")
    from training.pretrained import NETWORKS  # noqa: PLC0415  its packages are needed by nothing else

    served = NETWORKS[_OFFLINE].load()
    head = served.network.head
    assert isinstance(head, nn.Linear)
    mean = [float(value) for value in served.mean.flatten()]
    std = [float(1 / value) for value in served.factor.flatten()]
    network = Network(served.network.body, nn.Linear(head.in_features, classes), pooled=True, dropout=0.2)
    return Start(network, Scaling(mean, std))


def _published_scaling(name: str) -> Scaling:
    """Mean and standard deviation that timm's weights were trained with, for pixels of 0 to 255."""
    model = name.removeprefix(TIMM) if name.startswith(TIMM) else find_entry(name).origin.partition(" ")[2]
    published = timm.get_pretrained_cfg(model)
    assert published is not None  # the network was built with these weights
    return Scaling([255 * value for value in published.mean], [255 * value for value in published.std])
