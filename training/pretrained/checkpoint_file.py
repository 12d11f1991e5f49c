"""A checkpoint that others wrote: its tensors, by the names that a network expects, and the settings of its training.

Files are read as numbers and never run: `torch.load` with `weights_only`, which lets `argparse.Namespace` in, the class
of the settings that training scripts keep, and nothing else.
"""

import argparse
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from training.errors import TrainingError
from training.importing.guesses import Guess, Report

_PARTS = ("state_dict_ema", "model_ema", "state_dict", "model", "model_state_dict", "net")
"""Keys under which training scripts keep the tensors, the moving average of the weights first, as timm takes it."""
_AUXILIARY = ("aux1.", "aux2.", "AuxLogits.", "aux_logits.")
"""Beginnings of the names of classifiers that only training uses (Inception)."""
_COUNTERS = "num_batches_tracked"
"""Last part of names that files of old versions of PyTorch lack, and that nothing reads."""
_SHOWN = 3


@dataclass(frozen=True)
class Checkpoint:
    """The tensors of a file. part: key that they stand under, empty for none; settings: what its training was given."""

    path: Path
    tensors: Mapping[str, Tensor]
    part: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a file of safetensors, or one of PyTorch without running any code in it. Raises TrainingError."""
    if not path.is_file():
        raise TrainingError(f"there is no file {path}: give --weights a checkpoint")
    try:
        content: Any = load_file(path) if path.suffix == ".safetensors" else _load(path)
    except Exception as error:  # the readers raise many types for damaged files
        raise TrainingError(f"{path} cannot be read as a checkpoint: {_reason(path, error)}") from error
    found = _tensors_in(content)
    if found is None:
        raise TrainingError(f"{path} holds no tensors by name: save model.state_dict() with torch.save")
    part, tensors = found
    settings = content.get("args") if isinstance(content, dict) else None
    given = vars(settings) if isinstance(settings, argparse.Namespace) else settings
    return Checkpoint(path, tensors, part, given if isinstance(given, dict) else {})


def _load(path: Path) -> Any:
    with torch.serialization.safe_globals([argparse.Namespace]):
        return torch.load(path, map_location="cpu", weights_only=True)


def _reason(path: Path, error: Exception) -> str:
    """Return why a file cannot be read; the classes of its objects where these are the reason."""
    try:
        known = {"argparse.Namespace"}
        names = sorted(set(torch.serialization.get_unsafe_globals_in_checkpoint(path)) - known)
    except Exception:  # the file is damaged, so it holds no classes
        names = []
    if names:
        return (
            f"it holds Python objects ({', '.join(names[:_SHOWN])}), which are never loaded, since they can run code: "
            "save model.state_dict() with torch.save"
        )
    return " ".join(str(error).split())[:160] or type(error).__name__


def _tensors_in(content: object) -> tuple[str, dict[str, Tensor]] | None:
    """Return the key and the tensors under it, the key being empty where they are the whole content."""
    if not isinstance(content, dict):
        return None
    parts = {key: tensors for key, value in content.items() if (tensors := _named_tensors(value))}
    for key in _PARTS:
        if key in parts:
            return key, parts[key]
    if tensors := _named_tensors(content):
        return "", tensors
    return next(((str(key), tensors) for key, tensors in parts.items()), None) if len(parts) == 1 else None


def _named_tensors(value: object) -> dict[str, Tensor]:
    if not isinstance(value, dict):
        return {}
    return {key: each for key, each in value.items() if isinstance(key, str) and isinstance(each, Tensor)}


def tensors_for(checkpoint: Checkpoint, expected: Collection[str], network: str, report: Report) -> dict[str, Tensor]:
    """Return the tensors that a network expects, by its own names, without a prefix that the file puts before them.

    report: called with the part and the prefix. Tensors of parts beside the network, such as a loss, are left out.
    Raises TrainingError where tensors of the network are missing, where it lacks some of them, and where two prefixes
    fit.
    """
    needed = {name for name in expected if not name.endswith(_COUNTERS)}
    prefix = _prefix(checkpoint, needed, network)
    below = {key.removeprefix(prefix): each for key, each in checkpoint.tensors.items() if key.startswith(prefix)}
    parts = {name.partition(".")[0] for name in needed}
    unknown = sorted(
        prefix + name
        for name in below.keys() - set(expected)
        if not name.startswith(_AUXILIARY) and (prefix or name.partition(".")[0] in parts)
    )
    if unknown:
        raise TrainingError(
            f"{checkpoint.path} is no checkpoint of {network}: it has {len(unknown)} tensors that {network} lacks, "
            f"such as {unknown[0]!r}"
        )
    taken = {name: below[name] for name in below if name in expected}
    report(_weights_guess(checkpoint, prefix, len(checkpoint.tensors) - len(taken)))
    return taken


def _prefix(checkpoint: Checkpoint, needed: set[str], network: str) -> str:
    """Return what stands before the names of the network in the file. Raises TrainingError without one, or with two."""
    names, sample = set(checkpoint.tensors), min(needed)
    found = {name.removesuffix(sample) for name in names if name == sample or name.endswith(f".{sample}")}
    fitting = sorted(prefix for prefix in found if all(prefix + name in names for name in needed))
    if len(fitting) > 1:
        raise TrainingError(
            f"{checkpoint.path} holds {network} {len(fitting)} times, behind {' and '.join(map(repr, fitting))}: keep "
            "the tensors of one of them"
        )
    if fitting:
        return fitting[0]
    raise TrainingError(_no_checkpoint(checkpoint, needed, network))


def _no_checkpoint(checkpoint: Checkpoint, needed: set[str], network: str) -> str:
    """Return how the names of the file differ from those of the network, for the prefix that fits most of them."""
    names = list(checkpoint.tensors)
    beginnings = {name.removesuffix(wanted) for wanted in needed for name in names if name.endswith(f".{wanted}")} | {
        ""
    }
    prefix = max(sorted(beginnings), key=lambda each: sum(each + name in checkpoint.tensors for name in needed))
    missing = sorted(name for name in needed if prefix + name not in checkpoint.tensors)
    return (
        f"{checkpoint.path} is no checkpoint of {network}: {len(missing)} of its {len(needed)} tensors are missing, "
        f"such as {prefix + missing[0]!r}; the file has {', '.join(map(repr, names[:_SHOWN]))} and so on"
    )


def _weights_guess(checkpoint: Checkpoint, prefix: str, left_out: int) -> Guess:
    """Return what was taken from the file."""
    part = f"{checkpoint.part!r} of {checkpoint.path.name}" if checkpoint.part else checkpoint.path.name
    average = ", the moving average of the weights" if checkpoint.part.endswith("_ema") else ""
    removed = f"{prefix!r} before the names of all of them was removed" if prefix else "under the network's own names"
    others = f", {left_out} other tensors of the file were left out" if left_out else ""
    return Guess("weights", f"{part}{average}", removed + others)
