"""What timm knows of a network before it is made."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import timm

from training.errors import TrainingError


def require_known(name: str) -> None:
    """Raises TrainingError with near names when timm has no such network, or none with this tag."""
    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        close = ", ".join(timm.list_models(f"*{architecture}*")[:5])
        raise TrainingError(f"timm has no network {architecture!r}" + (f"; it has: {close}" if close else ""))
    if tag and name not in (tagged := timm.list_pretrained(f"{architecture}.*")):
        raise TrainingError(f"timm has no weights {name!r}; it has: {', '.join(tagged) or 'none of this network'}")


def facts(name: str) -> Mapping[str, Any]:
    """timm's `pretrained_cfg`: size, scaling, labels and licence of the published weights; empty where it has none."""
    published = timm.get_pretrained_cfg(name, allow_unregistered=True)
    return {} if published is None else asdict(published)


def input_size(name: str) -> tuple[int, int]:
    """Height and width that the network was published for."""
    _, height, width = facts(name).get("input_size", (3, 224, 224))
    return height, width


def is_fixed(name: str) -> bool:
    """Whether the network is made for one size of images, which it has to be told."""
    return bool(facts(name).get("fixed_input_size"))
