"""Any classifier that timm has published, or a checkpoint of one, and what its bundle says about it."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from models.contract import Colour, Input, Preprocessing, Scores, sha256_of
from training.errors import TrainingError
from training.importing.golden_photos import SCIKIT_LEARN
from training.importing.imagenet_labels import SOURCE as LABEL_SOURCE
from training.importing.labels_file import read_labels
from training.networks.exported_module import ExportedModule, Scaling
from training.networks.timm_hub import input_size, pretrained_config, require_known
from training.networks.timm_models import timm_network
from training.pretrained.source import PublishedNetwork
from training.pretrained.timm_labels import published_labels

_RESULTS = "github.com/huggingface/pytorch-image-models, results/"


def published_timm_network(model: str, weights: Path | None, labels: Path | None) -> PublishedNetwork:
    """Return timm's `model`, with or without a tag. weights: a checkpoint to load instead of the published weights.

    Raises TrainingError for a model that timm does not know, that has no classes, or that a bundle cannot describe.
    """
    require_known(model)
    if weights and not weights.is_file():
        raise TrainingError(f"there is no file {weights}: give --weights a checkpoint of {model}")
    published = pretrained_config(model)
    if not published:
        raise TrainingError(f"timm does not say how pictures are prepared for {model}: choose another of its networks")
    names = read_labels(labels) if labels else published_labels(published.get("num_classes", 0))
    if len(names) < 2:
        raise TrainingError(
            f"timm/{model} has no classes, only features: choose a tag of a classifier, or give --labels"
        )
    height, width = input_size(model)
    target = Input(colour=Colour.RGB, height=height, width=width)
    return PublishedNetwork(
        name=model,
        architecture=f"timm {model.partition('.')[0]}",
        description=f"{len(names)} classes, by {model} of timm.",
        load=partial(_load, model, len(names), target, weights),
        labels=lambda: names,
        target=target,
        preprocessing=_preprocessing(model, published),
        metrics=_metrics(weights),
        dataset=_dataset(model, published, weights),
        licence=_licence(published, weights),
        notes=_notes(labels),
        photos=SCIKIT_LEARN,
        packages=("timm",),
    )


def _load(model: str, classes: int, target: Input, weights: Path | None) -> ExportedModule:
    network = timm_network(model, classes, target, pretrained=weights is None, weights=weights)
    return ExportedModule(network, scaling(model))


def scaling(model: str) -> Scaling:
    """Return mean and standard deviation that timm's weights were trained with, for pixels of 0 to 255."""
    published = pretrained_config(model)
    return Scaling([255 * value for value in published["mean"]], [255 * value for value in published["std"]])


def _preprocessing(model: str, published: Mapping[str, Any]) -> Preprocessing:
    crop, mode, interpolation = published["crop_pct"], published["crop_mode"], published["interpolation"]
    if mode == "squash" and crop == 1:
        return Preprocessing(resize="squash", interpolation=interpolation)
    if mode != "center":
        raise TrainingError(f"timm/{model} cuts pictures by {mode!r} at {crop}: a bundle has no words for that")
    return Preprocessing(resize="crop", crop_fraction=crop, interpolation=interpolation)


def _metrics(weights: Path | None) -> Scores:
    known = "nothing is known of the accuracy of these weights" if weights else f"no figure is quoted; see {_RESULTS}"
    return Scores(measured=False, source=known)


def _dataset(model: str, published: Mapping[str, Any], weights: Path | None) -> str:
    if weights:
        return f"not known: the weights come from the file {weights.name}, sha256 {sha256_of(weights)}"
    return (
        f"as the tag {published.get('tag') or model!r} says, at huggingface.co/{published.get('hf_hub_id') or 'timm'}"
    )


def _licence(published: Mapping[str, Any], weights: Path | None) -> str:
    stated = published.get("license") or "not stated"
    return f"of the file not known; timm's own weights of this name: {stated}" if weights else f"{stated} (weights)"


def _notes(labels: Path | None) -> tuple[str, ...]:
    source = (
        f"the file {labels.name}" if labels else f"{LABEL_SOURCE}, where the number of classes is one of ImageNet's"
    )
    return (
        "Nothing was measured here but that the bundle computes what PyTorch computes.",
        "Whatever a picture shows, it gets the nearest of these classes.",
        f"Labels: {source}.",
    )
