"""A network by its name: one of the catalogue, or `timm/<model>` for any classifier that timm has."""

from difflib import get_close_matches

from models.contract import Input
from training.errors import TrainingError
from training.networks.catalogue import NETWORKS, Entry
from training.networks.from_timm import timm_network
from training.networks.network import Network

TIMM = "timm/"


def network_names() -> tuple[str, ...]:
    """Names of the catalogue; besides them, any `timm/<model>` can be built."""
    return tuple(NETWORKS)


def build_network(name: str, classes: int, target: Input, *, pretrained: bool = False) -> Network:
    """An untrained network for `classes` and images of `target`; with `pretrained`, its body has timm's weights.

    Raises TrainingError for a name that nobody knows, images that are too small, or weights that are not to be had.
    """
    if name.startswith(TIMM):
        return timm_network(name.removeprefix(TIMM), classes, target, pretrained=pretrained)
    entry = find_entry(name)
    if min(target.height, target.width) < entry.smallest:
        least = f"{entry.smallest}x{entry.smallest}"
        raise TrainingError(f"{name} needs images of at least {least} pixels, not {target.width}x{target.height}")
    if pretrained:
        return _pretrained(name, entry, classes, target)
    return entry.build(classes, target)


def find_entry(name: str) -> Entry:
    """What the catalogue knows of a network. Raises TrainingError with the nearest names."""
    if name in NETWORKS:
        return NETWORKS[name]
    close = get_close_matches(name, NETWORKS, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(close)}?" if close else f"there is: {', '.join(NETWORKS)}"
    raise TrainingError(f"there is no network {name!r}; {hint} Any timm/<model> is taken, too")


def _pretrained(name: str, entry: Entry, classes: int, target: Input) -> Network:
    library, _, model = entry.origin.partition(" ")
    if library != "timm":
        raise TrainingError(f"{name} has no published weights here: choose a network of timm, such as resnet-18")
    return timm_network(model, classes, target, pretrained=True)
