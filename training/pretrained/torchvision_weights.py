"""Checkpoints of torchvision's classifiers, and what their bundles say about them."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torchvision.models
from torch import Tensor

from models.contract import Colour, Input
from training.errors import TrainingError
from training.importing.golden_photos import SCIKIT_LEARN
from training.importing.guesses import Report
from training.importing.import_options import ImportOptions
from training.networks.any_torchvision import known_names, require_known, torchvision_model, torchvision_network
from training.networks.checkpoint_tensors import channels_of
from training.networks.exported_module import ExportedModule
from training.pretrained.checkpoint_file import read_checkpoint
from training.pretrained.class_names import name_classes
from training.pretrained.foreign_weights import (
    exported,
    file_dataset,
    refuse_another_network,
    weights_notes,
    weights_scores,
)
from training.pretrained.network_tensors import tensors_for
from training.pretrained.preparation import KnownSettings, Preparation, prepare, with_settings_of_training
from training.pretrained.source import PublishedNetwork

_TRANSFORMED = ("googlenet", "inception_v3")
"""Networks whose published weights take -1 to 1, which torchvision computes inside of them (`transform_input`)."""


_OF_THE_SCRIPT = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
"""Numbers that torchvision's own training script takes for each network, without writing them into the checkpoint."""


def published_torchvision_network(
    model: str, weights: Path | None, options: ImportOptions, report: Report
) -> PublishedNetwork:
    """Return torchvision's `model` with the weights of a checkpoint.

    report: called with each fact that is found out or assumed. Raises TrainingError for a model that torchvision does
    not have, without a checkpoint, and for one of another network.
    """
    require_known(model)
    if weights is None:
        raise TrainingError(f"torchvision/{model} takes a checkpoint: give its file with --weights")
    checkpoint = read_checkpoint(weights)
    refuse_another_network(checkpoint, model, "torchvision/", lambda name: name if name in known_names() else None)
    published = _published(model)
    side = published["input_size"][1]
    built, head = torchvision_model(model, 2, Input(colour=Colour.RGB, height=side, width=side))
    tensors = tensors_for(checkpoint, built.state_dict(), head, model, report)
    rows = tensors[f"{head}.weight"].shape
    names = name_classes(rows[0], f"{head}.weight {list(rows)} of {weights}", options.labels, report)
    known = with_settings_of_training(
        KnownSettings(Path(model), published, f"torchvision's settings of {model}"),
        _given(checkpoint.settings),
        weights,
        options,
    )
    prepared = prepare(known, channels_of(built, tensors), options, report)
    return PublishedNetwork(
        name=model,
        architecture=f"torchvision {model}",
        description=f"{len(names)} classes, by {model} of torchvision.",
        load=partial(_load, model, len(names), prepared, tensors),
        labels=lambda: names,
        target=prepared.target,
        preprocessing=prepared.preprocessing,
        metrics=weights_scores(),
        dataset=file_dataset(weights),
        licence="of the file not known",
        notes=weights_notes(),
        photos=SCIKIT_LEARN,
        packages=("torchvision",),
    )


def _published(model: str) -> dict[str, Any]:
    """Return the preprocessing of torchvision's default weights, under timm's names."""
    transforms = torchvision.models.get_model_weights(model).DEFAULT.transforms()
    crop, resize = transforms.crop_size[0], transforms.resize_size[0]
    numbers = (
        {"mean": [0.5] * 3, "std": [0.5] * 3}
        if model in _TRANSFORMED
        else {"mean": list(transforms.mean), "std": list(transforms.std)}
    )
    return numbers | {
        "input_size": [3, crop, crop],
        "crop_pct": crop / resize,
        "interpolation": transforms.interpolation.value,
    }


def _given(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a training by torchvision's own script, under timm's names; those it does not name, as
    they are.
    """
    given = dict(settings)
    crop, resize = given.get("val_crop_size"), given.get("val_resize_size")
    if isinstance(crop, int) and isinstance(resize, int) and crop > 0:
        given |= {"input_size": [3, crop, crop], "crop_pct": crop / max(resize, crop)} | _OF_THE_SCRIPT
    return given


def _load(model: str, classes: int, prepared: Preparation, tensors: Mapping[str, Tensor]) -> ExportedModule:
    return exported(torchvision_network(model, classes, prepared.target, tensors), prepared)
