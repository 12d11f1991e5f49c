"""What timm and the Hugging Face Hub publish about a network, before it is built."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from threading import Event, Thread
from typing import Any

import timm
from huggingface_hub import constants, get_session

from training.errors import TrainingError

_TIMEOUT_S = 8.0


def require_known(name: str) -> None:
    """Raise TrainingError with near names when timm has no such network, or none with this tag."""
    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        close = ", ".join(timm.list_models(f"*{architecture}*")[:5])
        raise TrainingError(f"timm has no network {architecture!r}" + (f"; it has: {close}" if close else ""))
    if tag and name not in (tagged := timm.list_pretrained(f"{architecture}.*")):
        raise TrainingError(f"timm has no weights {name!r}; it has: {', '.join(tagged) or 'none of this network'}")


def pretrained_config(name: str) -> Mapping[str, Any]:
    """Return timm's `pretrained_cfg`: size, scaling, labels and licence of the published weights; empty without
    weights.
    """
    published = timm.get_pretrained_cfg(name, allow_unregistered=True)
    return {} if published is None else asdict(published)


def input_size(name: str) -> tuple[int, int]:
    """Return height and width that the network was published for."""
    _, height, width = pretrained_config(name).get("input_size", (3, 224, 224))
    return height, width


def is_fixed(name: str) -> bool:
    """Return whether the network is built for one size of images, which has to be given."""
    return bool(pretrained_config(name).get("fixed_input_size"))


@contextmanager
def offline_unless_reachable(timeout_s: float = _TIMEOUT_S) -> Iterator[None]:
    """Let the Hub's library use only its cache inside the block, unless the Hub answers within `timeout_s`.

    The library itself tries six times for each of two files, 23 seconds each, and no setting changes that
    (huggingface_hub 2.4, `_http_backoff_base`).
    """
    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or not _answers(timeout_s)
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _answers(timeout_s: float) -> bool:
    """Ask in a thread: resolving a name and trying all its addresses have no common timeout."""
    answered = Event()

    def ask() -> None:
        with suppress(Exception):  # any exception of the HTTP libraries
            get_session().head(constants.ENDPOINT, timeout=timeout_s)
            answered.set()

    asking = Thread(target=ask, daemon=True)
    asking.start()
    asking.join(timeout_s)
    return answered.is_set()
