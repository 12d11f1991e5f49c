"""A checkpoint that others wrote: its tensors by name, and the settings of its training.

Files are read as numbers and never run: `torch.load` with `weights_only`, which lets `argparse.Namespace` in, the class
of the settings that training scripts keep, and nothing else.
"""

import argparse
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from training.errors import TrainingError
from training.pretrained.unreadable_file import why_unreadable

_PARTS = ("state_dict_ema", "model_ema", "state_dict", "model", "model_state_dict", "net")
"""Keys under which training scripts keep the tensors, the moving average of the weights first, as timm takes it."""
_AVERAGE = re.compile(r"(^|[._])ema($|[._])")
"""A key that says that its tensors are a moving average of the weights."""
_NO_WEIGHTS = ("optim", "sched", "scaler")
"""Parts of keys whose tensors are states of the training."""
_DEPTH = 3
"""Dictionaries inside each other that are looked into."""
_SAFETENSORS = re.compile(rb".{8}\{", re.DOTALL)
"""Beginning of a file of safetensors: a length of eight bytes, then JSON."""


@dataclass(frozen=True)
class Checkpoint:
    """Content of a file. parts: tensors by their names, by the keys that they stand under with dots between.

    The key is empty where the tensors are the whole content. settings: what the training was given.
    """

    path: Path
    parts: Mapping[str, Mapping[str, Tensor]]
    settings: Mapping[str, Any] = field(default_factory=dict)


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a file of safetensors, or one of PyTorch without running any code in it. Raises TrainingError."""
    if path.is_dir():
        raise TrainingError(f"{path} is a folder: give --weights the checkpoint in it")
    if not path.is_file():
        raise TrainingError(f"there is no file {path}: give --weights a checkpoint")
    try:
        content = _load(path)
    except Exception as error:  # the readers raise many types for damaged files
        reason = why_unreadable(path, error, {"argparse.Namespace"})
        raise TrainingError(f"{path} cannot be read as a checkpoint: {reason}") from error
    parts = _parts_in(content)
    if not parts:
        raise TrainingError(f"{path} holds no tensors by name: save model.state_dict() with torch.save")
    return Checkpoint(path, parts, _settings(content))


def _load(path: Path) -> Any:
    with path.open("rb") as file:
        of_safetensors = _SAFETENSORS.match(file.read(9)) is not None
    if of_safetensors:
        return load_file(path)
    with torch.serialization.safe_globals([argparse.Namespace]), warnings.catch_warnings(), path.open("rb") as file:
        warnings.simplefilter("ignore")  # such as on TorchScript, which is refused in words
        return torch.load(file, map_location="cpu", weights_only=True)  # of a path it would go by the suffix


def _settings(content: Any) -> dict[str, Any]:
    """Return what the training was given; under `model` the network's name, where the file has it."""
    given = content.get("args")
    settings = vars(given) if isinstance(given, argparse.Namespace) else given
    network = {"model": content["arch"]} if isinstance(content.get("arch"), str) else {}
    return network | (settings if isinstance(settings, dict) else {})


def _parts_in(content: object, key: str = "", depth: int = 0) -> dict[str, dict[str, Tensor]]:
    """Return the tensors in a dictionary and in those inside of it, by their keys."""
    if not isinstance(content, dict) or depth > _DEPTH:
        return {}
    named = {name: value for name, value in content.items() if isinstance(name, str)}
    own = {name: value for name, value in named.items() if isinstance(value, Tensor)}
    found = {key: own} if own else {}
    for name, value in named.items():
        if not any(word in name.casefold() for word in _NO_WEIGHTS):
            found |= _parts_in(value, f"{key}.{name}" if key else name, depth + 1)
    return found


def is_average(key: str) -> bool:
    """Return whether the tensors under a key are a moving average of the weights."""
    return _AVERAGE.search(key) is not None


def preference(key: str) -> int:
    """Return the rank of a key among those of a file, the lowest being taken first: averages before the weights."""
    if key in _PARTS:
        return _PARTS.index(key) if is_average(key) else len(_PARTS) + _PARTS.index(key)
    return len(_PARTS) if is_average(key) else 2 * len(_PARTS) + (key != "")
