"""A network by its name: one of the catalogue, or `timm/<model>` for any classifier that timm has."""

from difflib import get_close_matches
from functools import partial

from models.contract import Colour, Input
from training.errors import TrainingError
from training.networks.catalogue import NETWORKS, Entry
from training.networks.from_timm import timm_network
from training.networks.network import Network
from training.networks.timm_facts import input_size, require_known

TIMM = "timm/"


def network_names() -> tuple[str, ...]:
    """Names of the catalogue; besides them, any `timm/<model>` can be built."""
    return tuple(NETWORKS)


def build_network(name: str, classes: int, target: Input, *, pretrained: bool = False) -> Network:
    """An untrained network for `classes` and images of `target`; with `pretrained`, its body has timm's weights.

    Raises TrainingError for a name that nobody knows, images that are too small, or weights that are not to be had.
    """
    entry = find_entry(name)
    if min(target.height, target.width) < entry.smallest:
        least = f"{entry.smallest}x{entry.smallest}"
        raise TrainingError(f"{name} needs images of at least {least} pixels, not {target.width}x{target.height}")
    if not pretrained:
        return entry.build(classes, target)
    library, _, model = entry.origin.partition(" ")
    if library != "timm":
        raise TrainingError(f"{name} has no published weights here: choose a network of timm, such as resnet-18")
    return timm_network(model, classes, target, pretrained=True)


def find_entry(name: str) -> Entry:
    """What is known of a network before it is built. Raises TrainingError with the nearest names."""
    if name in NETWORKS:
        return NETWORKS[name]
    if name.startswith(TIMM):
        return _entry_of_timm(name.removeprefix(TIMM))
    close = get_close_matches(name, NETWORKS, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(close)}?" if close else f"there is: {', '.join(NETWORKS)}."
    raise TrainingError(f"there is no network {name!r}; {hint} Any timm/<model> is taken, too")


def _entry_of_timm(model: str) -> Entry:
    require_known(model)
    height, width = input_size(model)
    native = Input(colour=Colour.RGB, height=height, width=width)
    return Entry(partial(timm_network, model), smallest=1, native=native, origin=f"timm {model}", paper="")
