"""ONNX file of others -> bundle, without PyTorch: what it takes and gives is found out, and equality is proven."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.contract import (
    Calibration,
    Colour,
    Input,
    Manifest,
    Pixels,
    Precision,
    Preprocessing,
    Scores,
    Task,
    Variant,
    sha256_of,
)
from training.errors import OnnxImportError
from training.evaluation.onnx_session import single_predictor
from training.importing.bundle_writer import (
    MODEL,
    NOT_FITTED,
    list_files,
    new_bundle,
    next_version,
    refuse_existing,
    write_manifest,
)
from training.importing.class_labels import check_count, find_labels
from training.importing.config_files import ConfigFiles, read_configs
from training.importing.golden_images import GoldenImage, write_golden
from training.importing.golden_photos import SHIPPED_NOTES, shipped_photos
from training.importing.guesses import Guess, Report
from training.importing.import_options import ImportOptions
from training.importing.network_input import Layout, NetworkInput, find_input
from training.importing.network_output import ScoreKind, check_varies, find_output
from training.importing.normalization import Normalization, choose_normalization
from training.importing.onnx_file import OnnxFile, read_onnx
from training.importing.original_graph import OriginalGraph, network_values
from training.importing.preset_trials import Top, Trial, top_classes, try_presets
from training.importing.proven_graph import Original, ProvenGraph, write_graph
from training.importing.provenance import provenance
from training.importing.resize_choice import choose_resize
from training.importing.user_photos import golden_photos, read_photo
from training.importing.varied_pictures import varied_pictures
from training.importing.wrapped_graph import count_parameters, wrap
from training.model_card.model_card import model_card


@dataclass(frozen=True)
class OnnxOptions(ImportOptions):
    """What the user says about the network of an ONNX file; None is found out or assumed."""

    layout: Layout | None = None
    output: str | None = None
    scores: ScoreKind | None = None
    task: Task | None = None


@dataclass(frozen=True)
class ImportedBundle:
    """A new bundle. difference: the greatest one from the file. top: the best labels for the photo to check."""

    folder: Path
    difference: float
    top: Top


@dataclass(frozen=True)
class _Found:
    """All that is known about the network before anything is written. session: of the file as it is."""

    file: OnnxFile
    session: OriginalGraph
    labels: tuple[str, ...]
    normalization: Normalization
    target: Input
    preprocessing: Preprocessing
    original: Original
    golden: tuple[GoldenImage, ...]
    golden_notes: tuple[str, ...]
    check: Pixels | None


def import_onnx(
    path: Path,
    repository: Path,
    name: str,
    version: int | None,
    options: OnnxOptions,
    report: Report,
    *,
    overwrite: bool = False,
) -> ImportedBundle:
    """Make the bundle `repository/name/version` of an ONNX file. report: called with each fact that was found.

    version: None for the next free one.

    Raises TrainingError for a file or options that no bundle can be made of; nothing is written then.
    """
    version = version or next_version(repository / name)
    folder = refuse_existing(repository, name, version, overwrite=overwrite)
    guesses = list[Guess]()

    def note(guess: Guess) -> None:
        guesses.append(guess)
        report(guess)

    found = _find(path, options, note)
    check_varies(found.original.output)
    with new_bundle(repository, name, version, overwrite=overwrite) as staging:
        made = write_graph(staging / MODEL, found.original, note)
        top = () if found.check is None else top_classes(single_predictor(made.session)(found.check), found.labels)
        manifest = _fill(staging, found, made, name, version, guesses)
        write_manifest(staging, manifest, model_card(manifest))
    return ImportedBundle(folder, made.difference, top)


def try_onnx(path: Path, options: OnnxOptions, report: Report) -> tuple[Trial, ...]:
    """Return the answers to the photo `options.check` with every scaling in question; nothing is written.

    Raises TrainingError for a file or options that no bundle can be made of, and without a photo.
    """
    if options.check is None:
        raise OnnxImportError("--try classifies a photo with each preset: give it one with --check")
    if options.preset is not None or options.mean is not None or options.std is not None or options.colour is not None:
        raise OnnxImportError(
            "--try takes every preset and order of colours: leave out --preset, --mean, --std, --colour"
        )
    found = _find(path, options, report)
    assert found.check is not None
    original = found.original
    return try_presets(
        found.session, original.network_input, found.normalization, original.output, found.check, found.labels
    )


def _find(path: Path, options: OnnxOptions, note: Report) -> _Found:
    """Read and run the network. note: called with each fact. Raises TrainingError."""
    file, session = read_onnx(path), OriginalGraph(path)
    configs = read_configs(path)
    labels = find_labels(file, options.labels, configs.classes, note)
    network_input = find_input(file, note, layout=options.layout, size=options.size, described=configs.input)
    normalization = choose_normalization(
        file,
        network_input,
        note,
        preset=options.preset,
        mean=options.mean,
        std=options.std,
        order=options.colour,
        described=configs.normalization,
    )
    target = _target(network_input)
    preprocessing = choose_resize(
        note,
        resize=options.resize,
        crop_fraction=options.crop_fraction,
        pad_colour=options.pad_colour,
        interpolation=options.interpolation,
        bits=options.bits,
        described=configs.resize,
    )
    check = None if options.check is None else read_photo(options.check, target, preprocessing)
    golden, golden_notes = _golden(options.golden, target, preprocessing, note)
    pictures = varied_pictures(target, preprocessing)
    if options.golden is not None:
        pictures = np.stack([*(image.pixels(target, preprocessing) for image in golden), *pictures])
    task, task_source = _task(options, configs)
    output = find_output(
        [session.run(network_values(picture[None], network_input, normalization)) for picture in pictures],
        note,
        path=path,
        name=options.output,
        kind=options.scores,
        task=task,
        task_source=task_source,
        classes=len(labels.names) or None,
        others=session.other_outputs,
    )
    check_count(labels, output)
    original = Original(
        lambda one_at_a_time: wrap(file, network_input, normalization, output, one_at_a_time=one_at_a_time),
        network_input,
        output,
        target,
        pictures,
    )
    return _Found(
        *(file, session, labels.names, normalization, target, preprocessing, original, golden, golden_notes, check)
    )


def _task(options: OnnxOptions, configs: ConfigFiles) -> tuple[Task | None, str]:
    """Return the task where it is known, and from where."""
    if options.task is None and configs.classes is not None:
        return configs.classes.task, str(configs.classes.path)
    return options.task, "--task"


def _target(network_input: NetworkInput) -> Input:
    colour = Colour.L if network_input.channels == 1 else Colour.RGB
    return Input(colour=colour, height=network_input.height, width=network_input.width)


def _golden(
    folder: Path | None, target: Input, preprocessing: Preprocessing, note: Report
) -> tuple[tuple[GoldenImage, ...], tuple[str, ...]]:
    """Return the golden images and what the manifest says about them: photos of the user, else the shipped ones."""
    if folder is None:
        return shipped_photos(), SHIPPED_NOTES
    return golden_photos(folder, target, preprocessing, note)


def _fill(
    folder: Path, found: _Found, made: ProvenGraph, name: str, version: int, guesses: Sequence[Guess]
) -> Manifest:
    """Write the golden images beside the graph. Returns the manifest."""
    file, pictures, output = found.file, found.original.pictures, found.original.output
    original = dict(zip((picture.tobytes() for picture in pictures), output.probabilities, strict=True))
    golden = write_golden(
        folder,
        found.golden,
        lambda pixels: original[pixels.tobytes()].astype(np.float32),
        found.target,
        found.preprocessing,
    )
    exporter = file.model.producer_name or "an unknown exporter"
    return Manifest(
        name=name,
        version=version,
        description=f"Imported from {file.path.name}.",
        architecture=file.metadata.get("description")
        or f"ONNX graph of {len(file.model.graph.node)} nodes by {exporter}",
        parameters=count_parameters(made.wrapped.model.graph),
        labels=found.labels,
        input=found.target,
        preprocessing=found.preprocessing,
        files=list_files(folder),
        variants=(
            Variant(
                precision=Precision.FP32,
                path=MODEL,
                metrics=Scores(measured=False, source="not known: an ONNX file does not say how accurate it is"),
            ),
        ),
        class_map=made.class_map,
        dense=made.dense,
        task=output.task,
        max_batch=made.max_batch,
        calibration=Calibration(temperature=1.0, fitted_on=None, note=NOT_FITTED),
        golden=golden,
        provenance=provenance(
            dataset="not known: an ONNX file does not say what it was trained on",
            licence=file.metadata.get("license") or "not known: ask whoever gave you the file",
            notes=(*_notes(found, made, guesses), *found.golden_notes),
        ),
    )


def _notes(found: _Found, made: ProvenGraph, guesses: Sequence[Guess]) -> tuple[str, ...]:
    path = found.file.path
    return (
        f"Imported from {path.name}, sha256 {sha256_of(path)}. What was found out about it, or assumed:",
        *(f"{guess.what}: {guess.value} ({guess.reason})" for guess in guesses),
        f"On {len(found.original.pictures)} pictures, the graph differs from the file by at most {made.difference:.1e} "
        "in any probability; the file was fed with pixels that numpy had scaled in the same way.",
    )
