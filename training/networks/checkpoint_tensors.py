"""Tensors of a checkpoint into a network: what they tell about it, and a sentence where they do not fit."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from training.errors import TrainingError


def head_of(model: nn.Module) -> str:
    """Return the path of the last linear layer; empty without one."""
    paths = [path for path, part in model.named_modules() if isinstance(part, nn.Linear)]
    return paths[-1] if paths else ""


def channels_of(model: nn.Module, tensors: Mapping[str, Tensor]) -> int:
    """Return the channels that the tensors take, 1 or 3, for a model that was built for 3.

    tensors: by the names of the model. Raises TrainingError for another number.
    """
    for name, own in model.named_parameters():
        if own.ndim == 4 and own.shape[1] == 3 and name in tensors and tensors[name].ndim == 4:
            channels = int(tensors[name].shape[1])
            if channels not in (1, 3):
                raise TrainingError(f"{name} of the checkpoint takes {channels} channels: a bundle takes 1 or 3")
            return channels
    return 3


def load_tensors(model: nn.Module, tensors: Mapping[str, Tensor], name: str, size: str) -> None:
    """Load the tensors into the model, in float32. name, size: of the network and of its images, for messages.

    Raises TrainingError for a tensor of another shape, and for numbers that are NaN or infinite.
    """
    own = model.state_dict()
    for key, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise TrainingError(
                f"{key} of the checkpoint has numbers that are NaN or infinite, so its training has failed: take one "
                "that was saved before"
            )
        if own[key].shape != tensor.shape:
            raise TrainingError(
                f"{key} of the checkpoint has the shape {list(tensor.shape)}, but {list(own[key].shape)} in {name} for "
                f"images of {size}: it is of another network, or was trained for another --size"
            )
    own.update(tensors)  # keeps the versions of layers, which some networks ask for
    model.load_state_dict(own)
