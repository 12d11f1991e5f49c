"""Labelled images for a bundle, and what it says of them."""

from dataclasses import replace

import numpy as np

from models.contract import Bundle, Precision
from training.data.dataset import Dataset, open_dataset
from training.evaluate import Evaluation, run_graph
from training.report.errors import ReportError
from training.report.subject import HeldOut

_LIMIT = 20_000
"""Images at most; more would take longer and tell nothing new."""


def open_held_out(source: str, bundle: Bundle, seed: int) -> HeldOut:
    """The test images of `source`, else its validation images, at most _LIMIT. Raises DatasetError, ReportError.

    The validation images are those of a training with this `seed`; another one may have trained on some of them.
    """
    dataset = _with_classes_of(bundle, source, seed)
    part, images = ("validation", dataset.validation) if dataset.test is None else ("test", dataset.test)
    if len(images) > _LIMIT:
        images = images.take(np.sort(np.random.default_rng(seed).permutation(len(images))[:_LIMIT]))
    probabilities, logits = run_graph(bundle.model_path(Precision.FP32), images.images)
    evaluation = Evaluation(probabilities, logits, images.labels)
    return HeldOut(images, evaluation, f"{len(images):,} {part} images of {dataset.facts.title}")


def _with_classes_of(bundle: Bundle, source: str, seed: int) -> Dataset:
    """The data set with its classes in the bundle's order. A source that only numbers its classes takes the names."""
    manifest = bundle.manifest
    labels = manifest.labels
    dataset = open_dataset(source, target=manifest.input, how=manifest.preprocessing, seed=seed)
    found = dataset.facts.labels
    if found == labels or found == tuple(str(number) for number in range(len(labels))):
        return replace(dataset, facts=replace(dataset.facts, labels=labels))
    if set(found) != set(labels):
        raise ReportError(
            f"the classes of --data {source} are not those of {manifest.name}: {len(found)}, such as {found[0]!r}, "
            f"where the bundle has {len(labels)}, such as {labels[0]!r}"
        )
    return open_dataset(source, target=manifest.input, how=manifest.preprocessing, seed=seed, labels=labels)
