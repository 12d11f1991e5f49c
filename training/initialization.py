"""The network that a run starts from: random weights, weights published for ImageNet, or the weights of another run."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from models.contract import Colour, Input
from training.data.dataset import Dataset
from training.errors import ConfigurationError
from training.loop.checkpoint import NETWORK, load_state, save_state
from training.loop.config import PACKAGED, TrainingConfig, read_config
from training.loop.data_record import read_record
from training.loop.training_data import scaling_of
from training.networks.exported_module import Scaling
from training.networks.flip_average import flip_averaged
from training.networks.network import Network
from training.networks.registry import TIMM, build_network, find_network_info
from training.pretrained.timm_weights import scaling

_SIDE = 224


@dataclass(frozen=True)
class InitialNetwork:
    """A network and the pixel scaling that it was, or will be, trained with.

    note: a sentence on where the head comes from, for a run that starts from another one.
    """

    network: Network
    scaling: Scaling
    note: str = ""


def input_of(config: TrainingConfig) -> Input | None:
    """Return the network's input, or None when the data set decides it."""
    if config.start == "imagenet" and config.target is None:
        return Input(colour=config.colour or Colour.RGB, height=_SIDE, width=_SIDE)
    return config.target


def check_network(config: TrainingConfig) -> None:
    """Check the network's name and size of input before any image is read.

    Raises TrainingError for an unknown name, and for a size that the packaged network does not take.
    """
    packaged = config.network == PACKAGED and config.start != "scratch"
    if packaged and (target := input_of(config)):
        _check_packaged_size(target)
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
        return _from_run(Path(config.start), dataset.metadata.labels, target)
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
    save_state(folder / NETWORK, state)


def _from_run(folder: Path, labels: Sequence[str], target: Input) -> InitialNetwork:
    """Return the network of the run in `folder`, whose head keeps the rows of the labels that both runs have."""
    if not (folder / NETWORK).exists():
        raise ConfigurationError(f"--from takes scratch, imagenet or the folder of a finished run, not {str(folder)!r}")
    kept, record = load_state(folder / NETWORK), read_record(folder)
    bias = next(reversed(kept["weights"].values()))
    name = read_config(folder).network
    network = (
        _efficientnet_lite0(len(bias), target).network if name == PACKAGED else build_network(name, len(bias), target)
    )
    try:
        network.load_state_dict(kept["weights"])
    except RuntimeError as error:
        raise ConfigurationError(f"the network of {folder} was made for other images: take its --size") from error
    scaling, former = Scaling(kept["mean"], kept["std"]), () if record is None else record.labels
    if former == tuple(labels):
        return InitialNetwork(network, scaling, f"the head is that of {folder}: its classes are the same")
    network, matched = _with_matched_head(network, former, labels)
    if not matched:
        return InitialNetwork(network, scaling, f"the head is new: no class is known to be one of {folder}")
    others = f", {len(labels) - matched:,} are new" if matched < len(labels) else ", in another order or without others"
    return InitialNetwork(network, scaling, f"the head keeps {matched:,} classes of {folder} by their labels{others}")


def _with_new_head(network: Network, classes: int) -> Network:
    if not isinstance(network.head, nn.Linear):
        raise ConfigurationError("the network of that run has no linear head that could be replaced")
    head = nn.Linear(network.head.in_features, classes)
    return Network(network.body, head, pooled=network.pooled, dropout=network.dropout.p)


def _with_matched_head(network: Network, former: Sequence[str], labels: Sequence[str]) -> tuple[Network, int]:
    """Return the network with a head for `labels`, and how many of its rows are those of the same label in `former`."""
    places = {label: place for place, label in enumerate(former)}
    rows = [(place, places[label]) for place, label in enumerate(labels) if label in places]
    changed = _with_new_head(network, len(labels))
    before, after = network.head, changed.head
    assert isinstance(before, nn.Linear)
    assert isinstance(after, nn.Linear)
    with torch.no_grad():
        for place, former_place in rows:
            after.weight[place], after.bias[place] = before.weight[former_place], before.bias[former_place]
    return changed, len(rows)


def _efficientnet_lite0(classes: int, target: Input) -> InitialNetwork:
    """Return the body of the packaged network with a new head. Its padding is computed for one size of image."""
    _check_packaged_size(target)
    from training.pretrained.import_bundle import NETWORKS  # noqa: PLC0415  only this network needs its packages

    module = NETWORKS[PACKAGED].load()
    mean = [float(value) for value in module.mean.flatten()]
    std = [float(1 / value) for value in module.factor.flatten()]
    return InitialNetwork(_with_new_head(module.network, classes), Scaling(mean, std))


def _check_packaged_size(target: Input) -> None:
    if (target.height, target.width) != (_SIDE, _SIDE):
        raise ConfigurationError(f"{PACKAGED} takes images of {_SIDE}x{_SIDE}: leave out --size, or choose a --network")


def _published_scaling(name: str) -> Scaling:
    """Return the pixel scaling that timm's weights of a network were trained with."""
    return scaling(
        name.removeprefix(TIMM) if name.startswith(TIMM) else find_network_info(name).origin.partition(" ")[2]
    )
