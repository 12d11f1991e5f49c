"""Any classifier that timm has published, or a checkpoint of one, and what its bundle says about it."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import timm
from torch import Tensor

from models.contract import Colour, Input, Scores
from training.errors import TrainingError
from training.importing.golden_photos import SCIKIT_LEARN
from training.importing.guesses import Report
from training.importing.import_options import ImportOptions
from training.networks.checkpoint_tensors import channels_of
from training.networks.exported_module import ExportedModule, Scaling
from training.networks.timm_hub import input_size, pretrained_config, require_known
from training.networks.timm_models import timm_model, timm_network
from training.pretrained.checkpoint_file import Checkpoint, read_checkpoint
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

_RESULTS = "github.com/huggingface/pytorch-image-models, results/"


def published_timm_network(
    model: str, weights: Path | None, options: ImportOptions, report: Report
) -> PublishedNetwork:
    """Return timm's `model`, with or without a tag. weights: a checkpoint to load instead of the published weights.

    report: called with each fact that is found out or assumed. Raises TrainingError for a model that timm does not
    know, that has no classes, or that a bundle cannot describe, and for a checkpoint of another network.
    """
    require_known(model)
    checkpoint = None if weights is None else read_checkpoint(weights)
    published = pretrained_config(model)
    if not published:
        raise TrainingError(f"timm does not say how pictures are prepared for {model}: choose another of its networks")
    tensors, channels, classes, source = None, 3, published.get("num_classes", 0), f"timm/{model}"
    if checkpoint is not None:
        tensors, channels, classes, source = _tensors(model, checkpoint, report)
    elif classes < 2:
        raise TrainingError(
            f"timm/{model} has no classes, only features: choose a tag of a classifier, or give a checkpoint with "
            "--weights"
        )
    names = name_classes(classes, source, options.labels, report)
    settings = KnownSettings(Path(model), dict(published), f"timm's settings of {model}")
    prepared = prepare(
        with_settings_of_training(settings, _given(checkpoint), weights, options), channels, options, report
    )
    return PublishedNetwork(
        name=model,
        architecture=f"timm {model.partition('.')[0]}",
        description=f"{len(names)} classes, by {model} of timm.",
        load=partial(_load, model, len(names), prepared, tensors),
        labels=lambda: names,
        target=prepared.target,
        preprocessing=prepared.preprocessing,
        metrics=_metrics(weights),
        dataset=_dataset(model, published, weights),
        licence=_licence(published, weights),
        notes=weights_notes(),
        photos=SCIKIT_LEARN,
        packages=("timm",),
    )


def _tensors(model: str, checkpoint: Checkpoint, report: Report) -> tuple[Mapping[str, Tensor], int, int, str]:
    """Return the tensors of the checkpoint, how many channels and classes they have, and what tells the classes."""
    refuse_another_network(checkpoint, model, "timm/", _architecture)
    height, width = input_size(model)
    built, head = timm_model(model, Input(colour=Colour.RGB, height=height, width=width))
    tensors = tensors_for(checkpoint, built.state_dict(), head, model, report)
    rows = tensors[f"{head}.weight"].shape
    return tensors, channels_of(built, tensors), rows[0], f"{head}.weight {list(rows)} of {checkpoint.path}"


def _architecture(name: str) -> str | None:
    """Return the name of timm's network without library and tag; None for a name that timm does not know."""
    architecture = name.removeprefix("timm/").partition(".")[0]
    return architecture if timm.is_model(architecture) else None


def _given(checkpoint: Checkpoint | None) -> dict[str, Any]:
    """Return the settings of the training under timm's names, which are those of timm's own training script."""
    given = dict(checkpoint.settings) if checkpoint is not None else {}
    if given and given.get("input_size") is None and given.get("img_size") is not None:
        given["input_size"] = [3, given["img_size"], given["img_size"]]
    return given


def _load(model: str, classes: int, prepared: Preparation, tensors: Mapping[str, Tensor] | None) -> ExportedModule:
    network = timm_network(model, classes, prepared.target, pretrained=tensors is None, weights=tensors)
    return exported(network, prepared)


def scaling(model: str) -> Scaling:
    """Return mean and standard deviation that timm's weights were trained with, for pixels of 0 to 255."""
    published = pretrained_config(model)
    return Scaling([255 * value for value in published["mean"]], [255 * value for value in published["std"]])


def _metrics(weights: Path | None) -> Scores:
    return weights_scores() if weights else Scores(measured=False, source=f"no figure is quoted; see {_RESULTS}")


def _dataset(model: str, published: Mapping[str, Any], weights: Path | None) -> str:
    if weights:
        return file_dataset(weights)
    return (
        f"as the tag {published.get('tag') or model!r} says, at huggingface.co/{published.get('hf_hub_id') or 'timm'}"
    )


def _licence(published: Mapping[str, Any], weights: Path | None) -> str:
    stated = published.get("license") or "not stated"
    return f"of the file not known; timm's own weights of this name: {stated}" if weights else f"{stated} (weights)"
