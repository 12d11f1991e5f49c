"""Any classifier of timm as a Network: the last linear layer is the head, everything before it the body."""

from collections.abc import Mapping
from typing import Any

import timm
import torch
from torch import Tensor, nn

from models.contract import Input
from training.errors import TrainingError
from training.networks.checkpoint_tensors import load_tensors
from training.networks.network import Network
from training.networks.timm_hub import input_size, is_fixed, offline_unless_reachable, require_known

_REFUSALS = (RuntimeError, AssertionError, ValueError, TypeError, NotImplementedError)
"""Errors that timm and PyTorch raise for arguments or images that a network does not support."""


class Features(nn.Module):
    """The part of a timm model before its pooling, with channels first."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.channels_last = getattr(model, "output_fmt", "NCHW") == "NHWC"

    def forward(self, pixels: Tensor) -> Tensor:
        """Return features [N, F, h, w], where the network keeps positions, of pixels, float [N, C, H, W]."""
        features: Tensor = self.model.forward_features(pixels)  # type: ignore[operator]
        return features.permute(0, 3, 1, 2) if self.channels_last else features


def timm_network(
    name: str,
    classes: int,
    target: Input,
    *,
    pretrained: bool = False,
    weights: Mapping[str, Tensor] | None = None,
    dropout: float = 0.0,
) -> Network:
    """Build the network that timm calls `name`, with a tag or without. weights: tensors to load, by timm's names.

    Raises TrainingError when timm does not know the name, has no weights for it, or cannot build it for images of this
    size.
    """
    require_known(name)
    model = _published(name, classes, target) if pretrained else _create(name, classes, target)
    if weights is not None:
        load_tensors(model, weights, name, _size(target))
    head = _take_head(name, model)
    _require_size(name, model, target)
    pooled = _is_pooled(model, _probe(name, target))
    return Network(Features(model) if pooled else model, head, pooled=pooled, dropout=dropout)


def _published(name: str, classes: int, target: Input) -> nn.Module:
    """Build the network with timm's weights, which are downloaded unless they are in the cache."""
    try:
        with offline_unless_reachable():
            return _create(name, classes, target, pretrained=True)
    except TrainingError:
        raise
    except Exception as error:  # any exception of the HTTP libraries
        kind = type(error).__name__
        raise TrainingError(
            f"the weights of timm/{name} cannot be downloaded ({kind}): connect to huggingface.co once, "
            "or get a checkpoint and import it with --weights"
        ) from error


def _create(name: str, classes: int, target: Input, *, pretrained: bool = False) -> nn.Module:
    options: dict[str, Any] = {"img_size": (target.height, target.width)} if is_fixed(name) else {}
    channels = target.colour.channels
    try:
        model: nn.Module = timm.create_model(
            name, pretrained=pretrained, num_classes=classes, in_chans=channels, **options
        )
    except _REFUSALS as error:
        raise TrainingError(f"timm cannot make {name} for images of {_size(target)}: {error}") from error
    return model


def timm_model(name: str, target: Input) -> tuple[nn.Module, str]:
    """Return timm's own model of two classes, and the path of its last linear layer. Raises TrainingError."""
    model = _create(name, 2, target)
    return model, _head_path(name, model)


def _head_path(name: str, model: nn.Module) -> str:
    head = model.get_classifier()  # type: ignore[operator]
    if not isinstance(head, nn.Linear):
        raise TrainingError(f"{name} ends in {type(head).__name__}, not in one linear layer: choose another network")
    path: str = next(path for path, part in model.named_modules() if part is head)
    return path


def _take_head(name: str, model: nn.Module) -> nn.Linear:
    """Remove the last linear layer from the model and return it."""
    path = _head_path(name, model)
    head = model.get_submodule(path)
    assert isinstance(head, nn.Linear)
    model.set_submodule(path, nn.Identity())
    return head


def _require_size(name: str, model: nn.Module, target: Input) -> None:
    """Check that an image reaches the deepest features. Raises TrainingError otherwise."""
    smallest = _reduction(model)
    if min(target.height, target.width) < smallest:
        raise TrainingError(f"{name} needs images of at least {smallest}x{smallest} pixels, not {_size(target)}")
    across, down = _patch(model)
    if target.height % down or target.width % across:
        raise TrainingError(f"{name} cuts images into {across}x{down} pixels: {_size(target)} are no multiple of that")
    try:
        _run(model, torch.zeros(1, target.colour.channels, target.height, target.width))
    except _REFUSALS as error:
        raise TrainingError(f"{name} does not take images of {_size(target)}: {error}") from error


def _is_pooled(model: nn.Module, image: Tensor) -> bool:
    """Test whether the mean over positions is the only operation between the features and the head."""
    features = _run(Features(model), image)
    if features.ndim != 4:
        return False
    embedding, mean = _run(model, image), features.mean((2, 3))
    return mean.shape == embedding.shape and torch.allclose(mean, embedding, atol=1e-5 * float(embedding.abs().max()))


def _probe(name: str, target: Input) -> Tensor:
    """Return noise of the published size, so that there are several positions to pool, or of the fixed input size."""
    height, width = (target.height, target.width) if is_fixed(name) else input_size(name)
    return torch.randn(1, target.colour.channels, height, width, generator=torch.Generator().manual_seed(0))


def _run(model: nn.Module, image: Tensor) -> Tensor:
    with torch.inference_mode():
        output: Tensor = model.eval()(image)
    model.train()
    return output


def _reduction(model: nn.Module) -> int:
    """Return how many pixels, down and across, one position of the deepest features stands for."""
    return max((stage["reduction"] for stage in getattr(model, "feature_info", ())), default=1)


def _patch(model: nn.Module) -> tuple[int, int]:
    """Return width and height of the patches of an attention network; pixels beyond whole patches would be ignored."""
    height, width = getattr(getattr(model, "patch_embed", None), "patch_size", (1, 1))
    return width, height


def _size(target: Input) -> str:
    return f"{target.width}x{target.height} pixels"
