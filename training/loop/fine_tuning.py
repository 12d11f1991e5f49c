"""Fine-tuning of a pretrained body: first the head alone, then also the top of the body at a lower rate."""

from torch import nn

from training.loop.recipe import Recipe
from training.networks.network import Network


def set_phase(network: Network, recipe: Recipe, epoch: int) -> None:
    """Put `network` into training mode for `epoch`, counted from 1, with the frozen part of its body left alone.

    The frozen part computes what it computes in inference: it keeps its weights and the running statistics of its
    norms, and it drops nothing. Networks with stochastic depth drop whole blocks in modules without weights of their
    own, so these follow the part that they are in.
    """
    network.train()
    if not recipe.freeze:
        return
    layers = [layer for layer in network.body.modules() if _has_weights(layer)]
    learning = 0 if epoch <= recipe.freeze else round(recipe.unfreeze * len(layers))
    for place, layer in enumerate(layers):
        for parameter in layer.parameters(recurse=False):
            parameter.requires_grad_(place >= len(layers) - learning)
    _set_modes(network.body)


def _set_modes(body: nn.Module) -> None:
    """Put the modules with parameters that learn, and the modules without parameters behind the first of these, into
    training mode, and all others into evaluation mode. A module comes before those that it holds.
    """
    has_begun = False
    for module in body.modules():
        learns = any(parameter.requires_grad for parameter in module.parameters())
        has_begun = has_begun or (learns and _has_weights(module))
        module.train(learns or (has_begun and not any(True for _ in module.parameters())))


def _has_weights(module: nn.Module) -> bool:
    """Return whether the module itself has parameters, not only those that it holds."""
    return any(True for _ in module.parameters(recurse=False))
