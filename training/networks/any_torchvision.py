"""Any classifier of torchvision as a Network, by the name that it has there: for checkpoints of others."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

import torch
import torchvision.models
from torch import Tensor, nn

from models.contract import Input
from training.errors import TrainingError
from training.networks.checkpoint_tensors import head_of, load_tensors
from training.networks.network import Network
from training.networks.torchvision_models import take_channels

_REFUSALS = (RuntimeError, AssertionError, ValueError, TypeError)
"""Errors that torchvision and PyTorch raise for images that a network does not support."""
_AUXILIARY = ("googlenet", "inception_v3")
"""Networks with classifiers for training only, which are left out."""
_FIXED = "vit_"
"""Beginning of the names of networks that are built for one size of image."""


def known_names() -> list[str]:
    """Return the names of torchvision's classifiers."""
    return list(torchvision.models.list_models(module=torchvision.models))


def require_known(name: str) -> None:
    """Raise TrainingError with near names when torchvision has no such classifier."""
    known = known_names()
    if name not in known:
        close = ", ".join(get_close_matches(name, known, n=3, cutoff=0.4))
        raise TrainingError(f"torchvision has no classifier {name!r}" + (f"; it has: {close}" if close else ""))


def torchvision_model(name: str, classes: int, target: Input) -> tuple[nn.Module, str]:
    """Return torchvision's own model with random weights, and the path of its last linear layer. Raises TrainingError.

    A target of one channel gets a first convolution of one channel.
    """
    options: dict[str, Any] = {"aux_logits": False, "init_weights": False} if name in _AUXILIARY else {}
    if name.startswith(_FIXED):
        if target.height != target.width:
            raise TrainingError(f"{name} takes square images, not {_size(target)}")
        options["image_size"] = target.height
    try:
        model: nn.Module = torchvision.models.get_model(name, weights=None, num_classes=classes, **options)
    except _REFUSALS as error:
        raise TrainingError(f"torchvision cannot make {name} for images of {_size(target)}: {error}") from error
    if target.colour.channels != 3:
        take_channels(model, target.colour.channels)
    path, last = head_of(model), [part for part in model.modules() if isinstance(part, nn.Linear | nn.Conv2d)][-1]
    if not isinstance(last, nn.Linear):
        raise TrainingError(
            f"{name} ends in {type(last).__name__}, not in one linear layer, so its weights alone make no bundle: "
            "write the model with torch.onnx.export(model, image, 'model.onnx') and give that file to snellen import"
        )
    return model, path


def torchvision_network(name: str, classes: int, target: Input, weights: Mapping[str, Tensor]) -> Network:
    """Build the network with these weights, by torchvision's names. Raises TrainingError for what does not fit."""
    model, path = torchvision_model(name, classes, target)
    load_tensors(model, weights, name, _size(target))
    head = model.get_submodule(path)
    assert isinstance(head, nn.Linear)
    model.set_submodule(path, nn.Identity())
    model.eval()
    image = torch.randn(1, *target.shape[2:], *target.shape[:2], generator=torch.Generator().manual_seed(0))
    try:
        with torch.inference_mode():
            embedding = model(image)
            body = next((body for body in _bodies(model, path) if _pools_to(body, image, embedding)), None)
    except _REFUSALS as error:
        raise TrainingError(f"{name} does not take images of {_size(target)}: {error}") from error
    return Network(model if body is None else body, head, pooled=body is not None)


def _bodies(model: nn.Module, head: str) -> Iterator[nn.Module]:
    """Yield what may compute the features: the parts before the pooling, with or without a ReLU behind them."""
    before = list[nn.Module]()
    for name, part in model.named_children():
        if name == head.partition(".")[0] or isinstance(part, nn.AdaptiveAvgPool2d):
            break
        before.append(part)
    yield nn.Sequential(*before)
    yield nn.Sequential(*before, nn.ReLU())


def _pools_to(body: nn.Module, image: Tensor, embedding: Tensor) -> bool:
    """Return whether the mean over positions of the features is what the head gets."""
    try:
        features = body.eval()(image)
    except _REFUSALS:
        return False
    if not isinstance(features, Tensor) or features.ndim != 4 or features.shape[:2] != embedding.shape:
        return False
    return torch.allclose(features.mean((2, 3)), embedding, atol=1e-5 * float(embedding.abs().max()))


def _size(target: Input) -> str:
    return f"{target.width}x{target.height} pixels"
