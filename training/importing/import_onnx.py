"""ONNX file of others -> bundle, without PyTorch: what it takes and gives is found out, and equality is proven."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, UnidentifiedImageError

from models.contract import (
    Calibration,
    Colour,
    Input,
    Manifest,
    Pixels,
    Precision,
    Preprocessing,
    Row,
    Scores,
    UnsupportedMode,
    Variant,
    preprocess,
    sha256_of,
)
from training.errors import OnnxImportError
from training.evaluation.onnx_session import single_predictor
from training.importing.bundle_writer import (
    MODEL,
    NOT_FITTED,
    list_files,
    new_bundle,
    refuse_existing,
    write_manifest,
)
from training.importing.golden_images import write_golden
from training.importing.golden_photos import SHIPPED_NOTES, shipped_photos
from training.importing.guesses import Guess, Report
from training.importing.labels_file import read_labels
from training.importing.network_input import Layout, NetworkInput, find_input
from training.importing.network_output import NetworkOutput, ScoreKind, find_output
from training.importing.normalization import ChannelOrder, Channels, Preset, choose_normalization
from training.importing.onnx_file import OnnxFile, read_onnx
from training.importing.original_graph import OriginalGraph, network_values
from training.importing.proven_graph import Original, ProvenGraph, write_graph
from training.importing.provenance import provenance
from training.importing.varied_pictures import varied_pictures
from training.importing.wrapped_graph import count_parameters, wrap
from training.model_card.model_card import model_card

_TOP = 5


@dataclass(frozen=True)
class OnnxOptions:
    """What the user says about the network; None is found out or assumed. check: a photo to classify."""

    labels: Path | None = None
    preset: Preset | None = None
    mean: Channels | None = None
    std: Channels | None = None
    colour: ChannelOrder | None = None
    layout: Layout | None = None
    size: int | None = None
    resize: Literal["crop", "squash"] = "crop"
    crop_fraction: float = 1.0
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    output: str | None = None
    scores: ScoreKind | None = None
    check: Path | None = None


@dataclass(frozen=True)
class ImportedBundle:
    """A new bundle. difference: the greatest one from the file. top: the best labels for the photo to check."""

    folder: Path
    difference: float
    top: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class _Found:
    """All that is known about the network before anything is written."""

    file: OnnxFile
    labels: tuple[str, ...]
    target: Input
    preprocessing: Preprocessing
    original: Original
    check: Pixels | None


def import_onnx(
    path: Path,
    repository: Path,
    name: str,
    version: int,
    options: OnnxOptions,
    report: Report,
    *,
    overwrite: bool = False,
) -> ImportedBundle:
    """Make the bundle `repository/name/version` of an ONNX file. report: called with each fact that was found.

    Raises TrainingError for a file or options that no bundle can be made of; nothing is written then.
    """
    folder = refuse_existing(repository, name, version, overwrite=overwrite)
    guesses = list[Guess]()

    def note(guess: Guess) -> None:
        guesses.append(guess)
        report(guess)

    found = _find(path, options, note)
    with new_bundle(repository, name, version, overwrite=overwrite) as staging:
        made = write_graph(staging / MODEL, found.original, note)
        top = () if found.check is None else _top(single_predictor(made.session)(found.check), found.labels)
        manifest = _fill(staging, found, made, name, version, guesses)
        write_manifest(staging, manifest, model_card(manifest))
    return ImportedBundle(folder, made.difference, top)


def _find(path: Path, options: OnnxOptions, note: Report) -> _Found:
    """Read and run the network. note: called with each fact. Raises TrainingError."""
    file, original = read_onnx(path), OriginalGraph(path)
    labels = _labels(file, options.labels, note)
    network_input = find_input(file, note, layout=options.layout, size=options.size)
    normalization = choose_normalization(
        file,
        network_input,
        note,
        preset=options.preset,
        mean=options.mean,
        std=options.std,
        order=options.colour,
    )
    target = _target(network_input)
    preprocessing = Preprocessing(
        resize=options.resize, crop_fraction=options.crop_fraction, interpolation=options.interpolation
    )
    note(_resize_guess(preprocessing))
    check = None if options.check is None else _read_photo(options.check, target, preprocessing)
    pictures = varied_pictures(target, preprocessing)
    output = find_output(
        [original.run(network_values(picture[None], network_input, normalization)) for picture in pictures],
        note,
        path=path,
        name=options.output,
        kind=options.scores,
        classes=len(labels) or None,
        others=original.other_outputs,
    )
    _check_count(labels, output, options.labels)
    reproduced = Original(
        lambda one_at_a_time: wrap(file, network_input, normalization, output, one_at_a_time=one_at_a_time),
        network_input,
        output,
        target,
        pictures,
    )
    return _Found(file, labels, target, preprocessing, reproduced, check)


def _target(network_input: NetworkInput) -> Input:
    colour = Colour.L if network_input.channels == 1 else Colour.RGB
    return Input(colour=colour, height=network_input.height, width=network_input.width)


def _resize_guess(preprocessing: Preprocessing) -> Guess:
    part = f"{preprocessing.crop_fraction:g} of each side, " if preprocessing.resize == "crop" else ""
    return Guess(
        "resize",
        f"{preprocessing.resize}, {part}{preprocessing.interpolation}",
        "--resize, --crop-fraction and --interpolation, or their defaults",
    )


def _labels(file: OnnxFile, path: Path | None, report: Report) -> tuple[str, ...]:
    """Return the labels; none where neither a file nor the metadata name them."""
    labels = file.names if path is None else read_labels(path)
    if len(set(labels)) != len(labels):
        raise OnnxImportError("two classes in the metadata share a name: give a file of other names with --labels")
    if labels:
        reason = "names in the metadata" if path is None else str(path)
        report(Guess("labels", f"{len(labels)}, {', '.join(labels[:3])}{', ...' if len(labels) > 3 else ''}", reason))
    return labels


def _check_count(labels: Sequence[str], output: NetworkOutput, path: Path | None) -> None:
    if not labels:
        raise OnnxImportError(
            f"the file does not name its {output.classes} classes: give a file with {output.classes} labels, "
            "in their order, with --labels"
        )
    if len(labels) != output.classes:
        raise OnnxImportError(
            f"{path or 'the metadata'} has {len(labels)} labels, but output {output.name!r} has {output.classes} "
            "classes: give one label for each class"
        )


def _read_photo(path: Path, target: Input, preprocessing: Preprocessing) -> Pixels:
    try:
        with Image.open(path) as image:
            return preprocess(image, target, preprocessing)
    except (OSError, UnidentifiedImageError, UnsupportedMode, ValueError, SyntaxError) as error:
        raise OnnxImportError(f"{path} cannot be read as an image for --check: {error}") from error


def _top(row: Row, labels: Sequence[str]) -> tuple[tuple[str, float], ...]:
    return tuple((labels[index], float(row[index])) for index in np.argsort(-row, kind="stable")[:_TOP])


def _fill(
    folder: Path, found: _Found, made: ProvenGraph, name: str, version: int, guesses: Sequence[Guess]
) -> Manifest:
    """Write the golden images beside the graph. Returns the manifest."""
    file, pictures, output = found.file, found.original.pictures, found.original.output
    original = dict(zip((picture.tobytes() for picture in pictures), output.probabilities, strict=True))
    golden = write_golden(
        folder,
        shipped_photos(),
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
        max_batch=made.max_batch,
        calibration=Calibration(temperature=1.0, fitted_on=None, note=NOT_FITTED),
        golden=golden,
        provenance=provenance(
            dataset="not known: an ONNX file does not say what it was trained on",
            licence=file.metadata.get("license") or "not known: ask whoever gave you the file",
            notes=(*_notes(found, made, guesses), *SHIPPED_NOTES),
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
