"""Receptive fields followed through a network."""

from models.contract import Colour, Input
from training.networks.registry import build_network
from training.networks.summary import summarise


def test_the_channel_gates_of_efficientnet_see_everything() -> None:
    """Its windows end at the first gate, which is a mean over all places."""
    summary = summarise(build_network("efficientnet-b0", 5, _colour(64)), _colour(64))
    assert max(layer.window.rows.size for layer in summary.layers if layer.window) == 7


def _colour(side: int) -> Input:
    return Input(colour=Colour.RGB, height=side, width=side)
