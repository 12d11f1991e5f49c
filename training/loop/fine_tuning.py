"""Fine-tuning of a pretrained body: first the head alone, then also the top of the body at a lower rate."""

from torch import nn

from training.loop.recipe import Recipe
from training.networks.network import Network


def set_phase(network: Network, recipe: Recipe, epoch: int) -> None:
    """Put `network` into training mode for `epoch`, counted from 1, with the frozen part of its body left alone.

    A frozen layer keeps its weights and, as in inference, the running statistics of its norms.
    """
    network.train()
    if not recipe.freeze:
        return
    layers = [layer for layer in network.body.modules() if any(True for _ in layer.parameters(recurse=False))]
    learning = 0 if epoch <= recipe.freeze else round(recipe.unfreeze * len(layers))
    for layer in layers[: len(layers) - learning]:
        _freeze(layer)
    for layer in layers[len(layers) - learning :]:
        layer.requires_grad_(True)


def _freeze(layer: nn.Module) -> None:
    layer.eval()
    for parameter in layer.parameters(recurse=False):
        parameter.requires_grad_(False)
