"""One training run from top to bottom: images -> network -> calibration -> ONNX -> bundle.

snellen train --data fashion-mnist
"""

import os
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from models.contract import FULL_BITS, BundleError, Calibration, Manifest, Precision, Variant, read_bundle
from training.data.dataset import Dataset, note_on_name, open_dataset
from training.data.duplicates import DUPLICATES, LeakedImagesError, write_pairs
from training.data.labelled_images import LabelledImages, per_class_examples, to_picture
from training.data.metadata import own_name
from training.data.sources.named import NAMES
from training.data.sources.wide_values import MEASURE
from training.errors import BundleExistsError, DatasetError, InterruptedRunError, RefusedRunError
from training.evaluation.calibrate import calibrate, measure
from training.evaluation.chance import no_better_than_chance
from training.evaluation.evaluate import Evaluation, evaluate
from training.evaluation.out_of_distribution import check_ood_name, out_of_distribution
from training.evaluation.score_text import CHOSE_THE_EPOCH
from training.export.onnx_export import LIBRARIES, PARITY_TOLERANCE, export
from training.importing.bundle_writer import (
    MODEL,
    list_files,
    new_bundle,
    next_version,
    refuse_existing,
    write_manifest,
)
from training.importing.golden_images import GoldenImage, encode, write_golden
from training.importing.provenance import provenance
from training.initialization import check_network, input_of, save_network, start
from training.loop.advice import decide_mirroring, describe_mirroring, opening_sentences
from training.loop.batch_sampler import plan_epoch
from training.loop.checkpoint import CHECKPOINT, resume_command
from training.loop.config import CONFIG, TrainingConfig, read_config, write_config
from training.loop.data_record import DataRecord, read_record, record_of, resumed_record, write_record
from training.loop.device import Device, open_device
from training.loop.fit import fit
from training.loop.history import training_seconds, truncate_history
from training.loop.recipe import Recipe
from training.loop.run_lock import RunLock
from training.loop.training_data import TrainingData, logits_of
from training.loop.training_state import Score
from training.model_card.model_card import model_card
from training.networks.exported_module import ExportedModule, Scaling
from training.networks.flip_average import flip_averaged
from training.networks.network import Network, count_parameters

_GOLDEN_CLASSES = 10
_CONSOLE = Console(stderr=True)
_CHANGED_DATA = "The images changed while it was trained: some that judge it may have been trained on."


@dataclass(frozen=True)
class Trained:
    """The result of the training loop: network, pixel scaling, validation score and training time.

    changed_data: whether the run went on with other images than it began with.
    """

    network: Network
    scaling: Scaling
    score: Score
    duration_s: float
    changed_data: bool


@dataclass(frozen=True)
class TrainedBundle:
    """folder: of the bundle; guessing: a sentence where the network is no better than guessing, else None.

    cut: whether much of many pictures was cut off.
    """

    folder: Path
    guessing: str | None
    cut: bool


def run(
    config: TrainingConfig,
    repository: Path,
    runs: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    same_classes: bool = False,
    changed_data: bool = False,
) -> TrainedBundle | None:
    """Train, calibrate, export, measure once on the test images, and write the bundle.

    resume: go on with the run; it is refused for other labels, and for other images unless `changed_data`.
    same_classes: refuse data whose classes are not those of the newest version of this model in the repository.
    Returns None in a process that is not the main one. Raises TrainingError: then no bundle was written, and the
    trained weights are in the folder of the run.
    """
    for name in config.unfamiliar:
        check_ood_name(name)
    check_network(config)
    if resume:
        _refuse_to_resume(config, runs, repository, overwrite=overwrite)
    refuse_existing(repository, config.name, config.version, overwrite=overwrite)
    folder = _run_folder(config, runs, resume=resume, overwrite=overwrite)
    with RunLock() as lock:
        with open_device(config.device, config.threads) as device:
            if device.is_main and (resume or overwrite):
                lock.take(folder)
            dataset = _open(config, device, repository, folder, resume=resume)
            if same_classes:
                _refuse_other_classes(config, dataset, repository)
            decided = decide_mirroring(config, dataset)
            if device.is_main:
                for sentence in describe_mirroring(config, decided):
                    _print(sentence)
            if device.is_main and resume:
                _resume_run(config, dataset, folder, changed_data=changed_data)
            command = resume_command(folder, repository, overwrite=overwrite)
            trained = _train(
                config,
                decided.recipe,
                dataset,
                folder,
                device,
                lock,
                resume=resume,
                overwrite=overwrite,
                resume_with=command,
            )
            device.wait()
            if not device.is_main:
                return None
        try:
            return _write_bundle(decided, dataset, trained, repository, overwrite=overwrite)
        except KeyboardInterrupt:
            raise InterruptedRunError(
                f"stopped before the bundle was there; it is trained: make it with: {command}", 128 + signal.SIGINT
            ) from None


def _refuse_to_resume(config: TrainingConfig, runs: Path, repository: Path, *, overwrite: bool) -> None:
    """Raise RefusedRunError for a run whose bundle is there already, and for one whose data have moved."""
    folder, bundle = (place / config.name / str(config.version) for place in (runs, repository))
    if bundle.exists() and not overwrite:
        raise RefusedRunError(
            f"{folder} has nothing left to do, its bundle is {bundle}: make it again with --resume --overwrite, or "
            "train the next version without --resume"
        )
    if config.data not in NAMES and not Path(os.path.expanduser(config.data)).exists():
        raise RefusedRunError(
            f"the data of {folder} are no longer at {config.data!r}: say where they are, with --resume --data"
        )


def _resume_run(config: TrainingConfig, dataset: Dataset, folder: Path, *, changed_data: bool) -> None:
    """Compare the data with those of the run and keep what may have changed. Raises RefusedRunError."""
    now, before = record_of(dataset), read_record(folder)
    if before is None:
        _print(f"{folder} has no record of its images, so they cannot be compared with those it began with")
    else:
        now = resumed_record(before, now, folder, changed_data=changed_data)
    if config != read_config(folder):
        write_config(config, folder)
    if now != before:
        write_record(now, folder)


def _print(sentence: str) -> None:
    _CONSOLE.print(sentence, highlight=False, markup=False, soft_wrap=True)


def _run_folder(config: TrainingConfig, runs: Path, *, resume: bool, overwrite: bool) -> Path:
    """Return the folder of the run. Raises BundleExistsError for a run that exists and is not to be resumed."""
    folder = runs / config.name / str(config.version)
    if (folder / CONFIG).exists() and not (resume or overwrite):
        raise _holds_a_run(folder)
    return folder


def _holds_a_run(folder: Path) -> BundleExistsError:
    return BundleExistsError(
        f"{folder} holds a run: go on with --resume, leave out --version, or replace it with --overwrite"
    )


def _begin_run(config: TrainingConfig, record: DataRecord, folder: Path, *, overwrite: bool) -> None:
    """Make the folder of a new run. Raises BundleExistsError where another process has made it meanwhile."""
    if overwrite:
        shutil.rmtree(folder, ignore_errors=True)
    try:
        write_config(config, folder, new=True)
    except FileExistsError:
        raise _holds_a_run(folder) from None
    write_record(record, folder)


def _open(config: TrainingConfig, device: Device, repository: Path, folder: Path, *, resume: bool) -> Dataset:
    """Open the images; classes keep the order of the run, or else of the newest version of this model.

    A run without a record of its images is older than the present rules for the order of classes and the input.
    A run that starts from another one prepares its images as that one did, but for what the configuration says. Where
    that one had no files of 16 bits, or files that use them all, the bits in use are measured as for a new run.
    """
    kept = read_record(folder) if resume else None
    began = kept or (read_record(Path(config.start)) if config.start not in ("scratch", "imagenet") else None)
    preprocessing = None if began is None else began.preprocessing
    bits = config.bits
    if bits is None and preprocessing is not None and preprocessing.bits == FULL_BITS:
        bits = MEASURE
    if device.is_main and (note := note_on_name(config.data)):
        _print(note)
    try:
        dataset = open_dataset(
            config.data,
            target=input_of(config) or (kept.input if kept else None),
            preprocessing=None if preprocessing is None else config.fit.applied_to(preprocessing),
            fit=config.fit,
            colour=config.colour,
            seed=config.seed,
            validation=config.validation,
            calibration=config.calibration,
            labels=config.labels,
            earlier=kept.labels if kept else () if resume else _newest_labels(config.name, repository),
            as_before=resume and kept is None,
            bits=bits if not resume else kept.bits if kept else FULL_BITS,
        )
    except LeakedImagesError as error:
        if device.is_main:
            write_pairs(folder.parent / DUPLICATES, error.pairs)
        raise DatasetError(f"{error}\n{folder.parent / DUPLICATES} has all of them") from error
    if device.is_main:
        for sentence in opening_sentences(dataset, config, device.world):
            _print(sentence)
    return dataset


def _newest_labels(name: str, repository: Path) -> tuple[str, ...]:
    """Return the labels of the newest version of a model; none where there is no version that can be read."""
    try:
        return read_bundle(repository / name / str(next_version(repository / name) - 1)).manifest.labels
    except BundleError:
        return ()


def _refuse_other_classes(config: TrainingConfig, dataset: Dataset, repository: Path) -> None:
    """Raise BundleExistsError where the newest version of the model has other classes than the data."""
    newest = repository / config.name / str(next_version(repository / config.name) - 1)
    labels = _newest_labels(config.name, repository)
    if labels and labels != dataset.metadata.labels:
        raise BundleExistsError(
            f"{newest} has other classes than {config.data}, after which the new model would be called {config.name}: "
            f"give it another name with --name; --name {config.name} makes a new version all the same"
        )


def _train(
    config: TrainingConfig,
    recipe: Recipe,
    dataset: Dataset,
    folder: Path,
    device: Device,
    lock: RunLock,
    *,
    resume: bool,
    overwrite: bool,
    resume_with: str,
) -> Trained:
    torch.manual_seed(config.seed)
    initial = start(config, dataset)
    if device.rank:
        torch.manual_seed(config.seed + device.rank)  # each process draws its own augmentation
    if device.is_main and not resume:
        _begin_run(config, record_of(dataset), folder, overwrite=overwrite)
        lock.take(folder)
        if dataset.warnings.pairs:
            write_pairs(folder / DUPLICATES, dataset.warnings.pairs)
        if initial.note:
            _print(initial.note)
    if resume and not (folder / CHECKPOINT).exists():
        resume = False
        if device.is_main:
            _print(f"{folder} has no checkpoint yet: it begins with the first epoch")
            truncate_history(folder, 0)
    classes = len(dataset.metadata.labels)
    training_data = TrainingData(dataset.train, dataset.validation, dataset.target, initial.scaling, classes)
    network, score = fit(
        initial.network,
        training_data,
        recipe,
        seed=config.seed,
        device=device,
        folder=folder,
        resume=resume,
        resume_with=resume_with,
    )
    network = network.cpu()
    if device.is_main:
        save_network(folder, network, initial.scaling)
    kept = flip_averaged(network) if config.mirror else network
    record = read_record(folder)
    changed_data = record is not None and record.changed
    shown = plan_epoch(len(dataset.train), config.recipe.batch_size, device.world).images
    return Trained(kept, initial.scaling, score, training_seconds(folder, shown), changed_data)


def _write_bundle(
    config: TrainingConfig,
    dataset: Dataset,
    trained: Trained,
    repository: Path,
    *,
    overwrite: bool,
) -> TrainedBundle:
    logits = logits_of(trained.network, dataset.calibration.images, trained.scaling)
    calibration = _calibrate(dataset, logits)
    module = ExportedModule(trained.network, trained.scaling, calibration.temperature)
    with new_bundle(repository, config.name, config.version, overwrite=overwrite) as folder:
        dense = export(module, dataset.target, folder / MODEL)
        golden = write_golden(folder, _examples(dataset), module.classify, dataset.target, dataset.preprocessing)
        test, source = _evaluate(dataset, folder / MODEL)
        guessing = _guessing(dataset, test, logits)
        unfamiliar = config.unfamiliar if calibration.energy else ()  # without a threshold there is nothing to measure
        others = [out_of_distribution(name, folder / MODEL, dataset.target) for name in unfamiliar]
        manifest = Manifest(
            name=config.name,
            version=config.version,
            description=dataset.metadata.description,
            architecture=config.network,
            parameters=count_parameters(trained.network),
            labels=dataset.metadata.labels,
            input=dataset.target,
            preprocessing=dataset.preprocessing,
            files=list_files(folder),
            variants=(Variant(precision=Precision.FP32, path=MODEL, metrics=test.metrics(source)),),
            class_map=trained.network.has_class_map,
            dense=dense,
            calibration=measure(calibration, test, source, others),
            golden=golden,
            provenance=provenance(
                dataset=dataset.metadata.title,
                licence=dataset.metadata.licence,
                notes=(
                    *((f"{guessing[0].upper()}{guessing[1:]}.",) if guessing else ()),
                    *_notes(config, dataset, trained),
                ),
                libraries=LIBRARIES,
                seed=config.seed,
                duration_s=trained.duration_s,
            ),
        )
        write_manifest(folder, manifest, model_card(manifest, test.confusion()))
    cut = bool(dataset.warnings.unseen)
    return TrainedBundle(repository / config.name / str(config.version), guessing, cut)


def _calibrate(dataset: Dataset, logits: NDArray[np.float32]) -> Calibration:
    source = "images held out from training and from early stopping"
    found = calibrate(logits, dataset.calibration.labels, source, dataset.metadata.labels)
    if found.weak:
        _print(f"the calibration is weak: {found.weak}")
    return found


def _evaluate(dataset: Dataset, model: Path) -> tuple[Evaluation, str]:
    """Return the evaluation and what it was measured on: test images, or validation images where there are none."""
    if dataset.test is None:
        source = f"validation images of {dataset.metadata.title}, {CHOSE_THE_EPOCH}: there are no test images"
        return evaluate(
            model, dataset.validation, dataset.target, dataset.preprocessing
        ), f"{source}; ONNX Runtime on the CPU"
    source = f"test set of {dataset.metadata.title}, used once by this run, after training; ONNX Runtime on the CPU"
    return evaluate(model, dataset.test, dataset.target, dataset.preprocessing), source


def _guessing(dataset: Dataset, test: Evaluation, logits: NDArray[np.float32]) -> str | None:
    """Return a sentence where nothing shows that the network is better than guessing.

    Without test images, those of calibration count beside those of validation. logits: of the calibration images.
    """
    hits, labels = (test.probabilities.argmax(axis=1) == test.labels).sum(), test.labels
    if dataset.test is None:
        hits += (logits.argmax(axis=1) == dataset.calibration.labels).sum()
        labels = np.concatenate([labels, dataset.calibration.labels])
    return no_better_than_chance(int(hits), labels)


def _examples(dataset: Dataset) -> list[GoldenImage]:
    """Return one held-out image of each of the first classes, alternately as PNG and JPEG."""
    images: LabelledImages = dataset.calibration
    if not len(images):
        raise DatasetError("there are no images to calibrate on: hold some out with --set calibration=0.05")
    classes = [label for label in range(len(dataset.metadata.labels)) if (images.labels == label).any()]
    return [
        encode(to_picture(images.images[index]), f"{label}.{suffix}", "JPEG" if suffix == "jpg" else "PNG")
        for label, index in zip(classes, per_class_examples(images.labels, classes[:_GOLDEN_CLASSES]), strict=False)
        for suffix in (("png", "jpg")[label % 2],)
    ]


def _notes(config: TrainingConfig, dataset: Dataset, trained: Trained) -> tuple[str, ...]:
    score = trained.score
    return (
        *config.notes,
        *dataset.metadata.limits,
        *((f"{dataset.warnings.unseen}.",) if dataset.warnings.unseen else ()),
        *((_CHANGED_DATA,) if trained.changed_data else ()),
        f"Trained on {len(dataset.train):,} images; epoch {score.epoch} of {config.recipe.epochs} was kept, with a "
        f"validation accuracy of {score.accuracy:.4f} and NLL of {score.nll:.4f}.",
        f"Configuration: {_without_paths(config).model_dump_json(exclude={'notes', 'labels'})}.",
        f"Before the manifest was written, ONNX Runtime agreed with PyTorch within {PARITY_TOLERANCE:g}.",
    )


def _without_paths(config: TrainingConfig) -> TrainingConfig:
    """Return the configuration without the folders of this machine, which only the run keeps."""
    start = config.start if config.start in ("scratch", "imagenet") else "/".join(Path(config.start).parts[-2:])
    return config.model_copy(update={"data": own_name(Path(config.data)), "start": start})
