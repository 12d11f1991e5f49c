"""The network that a run starts from: random weights, weights published for ImageNet, or the weights of another run."""

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from models.contract import Colour, Input
from training.data.dataset import Dataset
from training.errors import ConfigurationError
from training.loop.checkpoint import load_state, save_state
from training.loop.config import PACKAGED, TrainingConfig, read_config
from training.loop.training_data import scaling_of
from training.networks.exported_module import Scaling
from training.networks.flip_average import flip_averaged
from training.networks.network import Network
from training.networks.registry import TIMM, build_network, find_network_info
from training.pretrained.timm_weights import scaling

_SIDE = 224
_KEPT = "network.pt"
"""File in the folder of a run with the trained network and its pixel scaling."""


@dataclass(frozen=True)
class InitialNetwork:
    """A network and the pixel scaling that it was, or will be, trained with."""

    network: Network
    scaling: Scaling


def input_of(config: TrainingConfig) -> Input | None:
    """Return the network's input, or None when the data set decides it."""
    if config.start == "imagenet" and config.target is None:
        return Input(colour=Colour.RGB, height=_SIDE, width=_SIDE)
    return config.target


def check_name(config: TrainingConfig) -> None:
    """Check the network's name before any image is read. Raises TrainingError for an unknown name."""
    packaged = config.network == PACKAGED and config.start != "scratch"
    if not packaged and not config.network.startswith(TIMM):
        find_network_info(config.network)


def start(config: TrainingConfig, dataset: Dataset) -> InitialNetwork:
    """Return the network that the configuration asks for.

    Raises TrainingError for a network that is unknown, cannot be downloaded, or does not fit the images or the
    configuration.
    """
    initial = _start(config, dataset)
    if config.mirror:
        flip_averaged(initial.network)
    return initial


def _start(config: TrainingConfig, dataset: Dataset) -> InitialNetwork:
    classes, target = len(dataset.metadata.labels), dataset.target
    if config.start == "scratch":
        return InitialNetwork(build_network(config.network, classes, target), scaling_of(dataset.train.images))
    if config.start != "imagenet":
        return _from_run(Path(config.start), classes, target)
    if target.colour is not Colour.RGB:
        raise ConfigurationError("networks trained on ImageNet take colour: set colour to RGB")
    if config.network == PACKAGED:
        return _efficientnet_lite0(classes, target)
    network = build_network(config.network, classes, target, pretrained=True)
    return InitialNetwork(network, _published_scaling(config.network))


def save_network(folder: Path, network: Network, scaling: Scaling) -> None:
    """Write the trained network beside the checkpoint of its run, so that other runs can start from it.

    Raises OSError.
    """
    state = {"mean": list(scaling.mean), "std": list(scaling.std), "weights": network.state_dict()}
    save_state(folder / _KEPT, state)


def _from_run(folder: Path, classes: int, target: Input) -> InitialNetwork:
    """Return the network of the run in `folder`; its head is a new one when the number of classes differs."""
    if not (folder / _KEPT).exists():
        raise ConfigurationError(f"--from takes scratch, imagenet or the folder of a finished run, not {str(folder)!r}")
    kept = load_state(folder / _KEPT)
    bias = next(reversed(kept["weights"].values()))
    name = read_config(folder).network
    network = (
        _efficientnet_lite0(len(bias), target).network if name == PACKAGED else build_network(name, len(bias), target)
    )
    try:
        network.load_state_dict(kept["weights"])
    except RuntimeError as error:
        raise ConfigurationError(f"the network of {folder} was made for other images: take its --size") from error
    if len(bias) != classes:
        network = _with_new_head(network, classes)
    return InitialNetwork(network, Scaling(kept["mean"], kept["std"]))


def _with_new_head(network: Network, classes: int) -> Network:
    if not isinstance(network.head, nn.Linear):
        raise ConfigurationError("the network of that run has no linear head that could be replaced")
    head = nn.Linear(network.head.in_features, classes)
    return Network(network.body, head, pooled=network.pooled, dropout=network.dropout.p)


def _efficientnet_lite0(classes: int, target: Input) -> InitialNetwork:
    """Return the body of the packaged network with a new head. Its padding is computed for one size of image."""
    if (target.height, target.width) != (_SIDE, _SIDE):
        raise ConfigurationError(f"{PACKAGED} takes images of {_SIDE}x{_SIDE}: leave out --size, or choose a --network")
    from training.pretrained.import_bundle import NETWORKS  # noqa: PLC0415  only this network needs its packages

    module = NETWORKS[PACKAGED].load()
    mean = [float(value) for value in module.mean.flatten()]
    std = [float(1 / value) for value in module.factor.flatten()]
    return InitialNetwork(_with_new_head(module.network, classes), Scaling(mean, std))


def _published_scaling(name: str) -> Scaling:
    """Return the pixel scaling that timm's weights of a network were trained with."""
    return scaling(
        name.removeprefix(TIMM) if name.startswith(TIMM) else find_network_info(name).origin.partition(" ")[2]
    )
