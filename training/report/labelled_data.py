"""Labelled images of a data set, and the bundle's outputs for them."""

from dataclasses import replace

import numpy as np

from models.contract import Bundle, Manifest, Precision
from training.data.dataset import Dataset, open_dataset
from training.data.split import HoldOut
from training.errors import ReportError
from training.evaluation.evaluate import Evaluation, run_graph
from training.evaluation.score_text import CHOSE_THE_EPOCH
from training.loop.config import TrainingConfig
from training.loop.held_out import hold_out_of_run
from training.loop.proof_images import is_proof, open_proof
from training.report.inputs import LabelledData

_LIMIT = 20_000
"""Limit of images; more would take longer without changing the result."""


def open_labelled_data(source: str, bundle: Bundle, hold_out: HoldOut) -> LabelledData:
    """Return the test images of `source`, else its validation images, at most _LIMIT. Raises DatasetError, ReportError.

    hold_out: of the training; with another one the validation images may contain training images.
    """
    dataset = _with_classes_of(bundle.manifest, source, hold_out)
    part, images = ("validation", dataset.validation) if dataset.test is None else ("test", dataset.test)
    if len(images) > _LIMIT:
        images = images.take(np.sort(np.random.default_rng(hold_out.seed).permutation(len(images))[:_LIMIT]))
    probabilities, logits = run_graph(bundle.model_path(Precision.FP32), images.images)
    evaluation = Evaluation(probabilities, logits, images.labels)
    source = f"{len(images):,} {part} images of {dataset.metadata.title}"
    return LabelledData(images, evaluation, source if dataset.test is not None else f"{source}, {CHOSE_THE_EPOCH}")


def open_proof_or_held_out(source: str, bundle: Bundle, config: TrainingConfig | None) -> LabelledData:
    """Return what judges the bundle: the data of its run without those that it trained on, else all of the source.

    config: of the run, None where it is not known. Raises DatasetError, ReportError.
    """
    hold_out = hold_out_of_run(bundle.manifest, config)
    if not is_proof(source, config, ignoring_training=True):
        return open_labelled_data(source, bundle, hold_out)
    proof = open_proof(source, bundle.manifest, config, _LIMIT, hold_out.seed)
    probabilities, logits = run_graph(bundle.model_path(Precision.FP32), proof.images.images)
    return LabelledData(
        proof.images, Evaluation(probabilities, logits, proof.images.labels), "; ".join([proof.title, *proof.remarks])
    )


def _with_classes_of(manifest: Manifest, source: str, hold_out: HoldOut) -> Dataset:
    """Open the data set with its classes in the bundle's order.

    A source that only numbers its classes gets the bundle's names.
    """
    labels = manifest.labels
    dataset = _open(manifest, source, hold_out)
    found = dataset.metadata.labels
    if found == labels:
        return dataset
    if set(found) != set(labels):
        if found == tuple(str(number) for number in range(len(labels))):
            return replace(dataset, metadata=replace(dataset.metadata, labels=labels))
        raise ReportError(
            f"the classes of --data {source} are not those of {manifest.name}: {len(found)}, such as {found[0]!r}, "
            f"where the bundle has {len(labels)}, such as {labels[0]!r}"
        )
    return _open(manifest, source, hold_out, labels)


def _open(manifest: Manifest, source: str, hold_out: HoldOut, labels: tuple[str, ...] = ()) -> Dataset:
    return open_dataset(
        source,
        target=manifest.input,
        preprocessing=manifest.preprocessing,
        seed=hold_out.seed,
        validation=hold_out.validation,
        calibration=hold_out.calibration,
        labels=labels,
    )
