"""One run, readable from top to bottom: files of pixels -> network -> calibration -> ONNX -> bundle.

snellen train --data /usr/share/datasets/fashion-mnist --name fashion-mnist --version 1
"""

from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import torch
from pydantic import BaseModel, ConfigDict, Field

from models.contract import (
    Calibration,
    Colour,
    Input,
    Manifest,
    ModelName,
    Precision,
    Preprocessing,
    Provenance,
    Variant,
)
from training.augmentation import Augmentation
from training.bundle import MODEL, list_files, new_bundle, write_manifest
from training.calibration import calibrate, measured
from training.data.facts import FASHION_MNIST, DatasetFacts, unknown_dataset
from training.data.idx import read_idx
from training.data.images import LabelledImages, per_class_examples, to_picture
from training.data.split import stratified_split
from training.evaluate import Evaluation, evaluate
from training.export import PARITY_TOLERANCE, export
from training.fit import Recipe, Score, fit, logits_of, scaling_of
from training.golden import GoldenImage, encode, write_golden
from training.model_card import model_card
from training.networks.network import count_parameters
from training.networks.small_resnet import small_resnet
from training.provenance import provenance
from training.served import ServedNetwork

VALIDATION, CALIBRATION = 0.05, 0.05
"""Fractions of the training images held out for early stopping, and for temperature and thresholds."""
_GOLDEN_CLASSES = 10
_HOW = Preprocessing(resize="squash", interpolation="bicubic", background=(0, 0, 0))


class TrainingConfig(BaseModel):
    """Everything that decides what comes out of a run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ModelName
    version: int = Field(ge=1)
    data: Path
    labels: tuple[str, ...] = Field(default=FASHION_MNIST.labels, min_length=2)
    flip: bool = True
    epochs: int = Field(default=Recipe.epochs, ge=1)
    batch_size: int = Field(default=Recipe.batch_size, ge=2)
    seed: int = Field(default=Recipe.seed, ge=0)
    threads: int = Field(default=0, ge=0)
    notes: tuple[str, ...] = ()

    @property
    def dataset(self) -> DatasetFacts:
        return FASHION_MNIST if self.labels == FASHION_MNIST.labels else unknown_dataset(str(self.data), self.labels)

    @property
    def recipe(self) -> Recipe:
        augmentation = Augmentation(flip=self.flip)
        return Recipe(self.epochs, self.batch_size, augmentation=augmentation, seed=self.seed)


@dataclass(frozen=True)
class Trained:
    """What training and calibration leave behind; the held-out images go on to be golden ones."""

    served: ServedNetwork
    target: Input
    score: Score
    calibration: Calibration
    held_out: LabelledImages
    images: int


def run(config: TrainingConfig, repository: Path, *, overwrite: bool = False) -> Path:
    """Train, calibrate, export, measure once on the test set, and write the bundle. Returns its folder.

    Raises TrainingError, and then nothing of the bundle is left behind.
    """
    started = monotonic()
    with new_bundle(repository, config.name, config.version, overwrite=overwrite) as folder:
        trained = _train(config)
        dense = export(trained.served, trained.target, folder / MODEL)
        examples = _examples(trained.held_out, config.labels)
        golden = write_golden(folder, examples, trained.served, trained.target, _HOW)
        test = evaluate(folder / MODEL, read_idx(config.data, "t10k", len(config.labels)), trained.target, _HOW)
        manifest = Manifest(
            name=config.name,
            version=config.version,
            description=config.dataset.description,
            architecture="small-resnet",
            parameters=count_parameters(trained.served),
            labels=config.labels,
            input=trained.target,
            preprocessing=_HOW,
            files=list_files(folder),
            variants=(_variant(config, test),),
            class_map=True,
            dense=dense,
            calibration=_measured(trained.calibration, test),
            golden=golden,
            provenance=_provenance(config, trained, duration_s=monotonic() - started),
        )
        write_manifest(folder, manifest, model_card(manifest, test.confusion()))
    return repository / config.name / str(config.version)


def _train(config: TrainingConfig) -> Trained:
    if config.threads:
        torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    images = read_idx(config.data, "train", len(config.labels))
    split = stratified_split(images.labels, VALIDATION, CALIBRATION, config.seed)
    train, validation, held_out = (images.take(part) for part in (split.train, split.validation, split.calibration))
    scaling = scaling_of(train.images)
    network, score = fit(small_resnet(len(config.labels)), train, validation, scaling, config.recipe)
    fitted_on = f"{CALIBRATION:.0%} of the training images, held out from training and from early stopping"
    calibration = calibrate(logits_of(network, held_out.images, scaling), held_out.labels, fitted_on)
    return Trained(
        served=ServedNetwork(network, scaling, calibration.temperature),
        target=Input(colour=Colour.L, height=images.images.shape[1], width=images.images.shape[2]),
        score=score,
        calibration=calibration,
        held_out=held_out,
        images=len(train),
    )


def _examples(images: LabelledImages, labels: tuple[str, ...]) -> list[GoldenImage]:
    """One image of each of the first classes, by turns PNG and JPEG."""
    indices = per_class_examples(images.labels, range(min(len(labels), _GOLDEN_CLASSES)))
    return [
        encode(to_picture(images.images[index]), f"{label}.{suffix}", "JPEG" if suffix == "jpg" else "PNG")
        for label, index in enumerate(indices)
        for suffix in (("png", "jpg")[label % 2],)
    ]


def _variant(config: TrainingConfig, test: Evaluation) -> Variant:
    source = f"test set of {config.dataset.title}, used once by this run, after training; ONNX Runtime on the CPU"
    return Variant(precision=Precision.FP32, path=MODEL, metrics=test.metrics(source))


def _measured(calibration: Calibration, test: Evaluation) -> Calibration:
    """The calibration with what its prediction sets do on the test set."""
    if calibration.prediction_sets is None:
        return calibration
    sets = measured(calibration.prediction_sets, test.probabilities, test.labels)
    return calibration.model_copy(update={"prediction_sets": sets})


def _provenance(config: TrainingConfig, trained: Trained, duration_s: float) -> Provenance:
    best = trained.score
    notes = (
        *config.notes,
        *config.dataset.limits,
        f"Trained on {trained.images:,} images; epoch {best.epoch} of {config.epochs} was kept, with a validation "
        f"accuracy of {best.accuracy:.4f} and NLL of {best.nll:.4f}.",
        f"Recipe: {config.recipe}.",
        f"Before the manifest was written, ONNX Runtime agreed with PyTorch within {PARITY_TOLERANCE:g}.",
    )
    return provenance(
        dataset=config.dataset.title,
        licence=config.dataset.licence,
        notes=notes,
        seed=config.seed,
        duration_s=duration_s,
    )
