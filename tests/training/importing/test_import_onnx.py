"""From an ONNX file to a bundle."""

from pathlib import Path

import numpy as np
import pytest
import timm
import torch

from models.contract import PROBABILITIES, Dense, Precision, read_bundle
from tests.support.onnx_files import (
    DETECTOR,
    FEATURE_MAPS,
    LABELS,
    NCHW_LOGITS,
    NEVER_FREE,
    SIDE,
    SIGMOID,
    ULTRALYTICS,
    write_labels,
    write_onnx,
)
from training.errors import BundleExistsError, DatasetError, OnnxImportError, OptimizeError
from training.evaluation.evaluate import run_graph
from training.importing.golden_photos import shipped_photos
from training.importing.guesses import Guess
from training.importing.import_onnx import ImportedBundle, OnnxOptions, import_onnx
from training.importing.network_output import ScoreKind
from training.importing.normalization import Preset
from training.onnx_graph.graph import Graph
from training.optimize.make_variants import VariantOptions
from training.optimize.optimize import Source, optimize


def imported(folder: Path, text: str, options: OnnxOptions | None = None, *, overwrite: bool = False) -> ImportedBundle:
    path = write_onnx(folder / "model.onnx", text)
    labelled = OnnxOptions(labels=write_labels(folder), preset=Preset.UNIT)
    return import_onnx(
        path, folder / "models", "flowers", 2, options or labelled, list[Guess]().append, overwrite=overwrite
    )


def test_a_bundle_says_where_it_comes_from(tmp_path: Path) -> None:
    """Labels, input, the proof and all guesses; nothing is claimed about accuracy."""
    made = imported(tmp_path, NCHW_LOGITS)
    assert made.folder == tmp_path / "models" / "flowers" / "2"
    assert made.difference < 1e-5
    manifest = read_bundle(made.folder).manifest
    assert (manifest.labels, manifest.input.shape) == (LABELS, (SIDE, SIDE, 3))
    assert (manifest.variants[0].metrics.measured, manifest.calibration.fitted_on) == (False, None)
    notes = " ".join(manifest.provenance.notes)
    assert all(part in notes for part in ("sha256", "layout: NCHW", "scores: logits", "differs from the file"))


def test_metadata_need_no_options(tmp_path: Path) -> None:
    """Exports of ultralytics name their classes and size."""
    made = imported(tmp_path, ULTRALYTICS, OnnxOptions())
    assert read_bundle(made.folder).manifest.labels == LABELS


def test_the_best_classes_of_a_photo_are_returned(tmp_path: Path) -> None:
    """The most probable one first."""
    (tmp_path / "photo.jpg").write_bytes(shipped_photos()[0].encoded)
    made = imported(tmp_path, ULTRALYTICS, OnnxOptions(check=tmp_path / "photo.jpg"))
    assert [value for _, value in made.top] == sorted((value for _, value in made.top), reverse=True)
    assert {label for label, _ in made.top} == set(LABELS)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (DETECTOR, OnnxOptions(), "is no image classifier"),
        (SIGMOID, OnnxOptions(preset=Preset.UNIT), "as those of sigmoids do"),
        (NCHW_LOGITS, OnnxOptions(), "does not name its 3 classes: give a file with 3 labels"),
        (ULTRALYTICS, OnnxOptions(check=Path("missing.jpg")), "missing.jpg cannot be read as an image"),
        (ULTRALYTICS.replace(", 2: 'blue'", ""), OnnxOptions(), "the metadata has 2 labels, .* has 3 classes"),
        (ULTRALYTICS.replace("blue", "red"), OnnxOptions(), "two classes in the metadata share a name"),
    ],
    ids=["detector", "sigmoid", "no labels", "photo", "count", "duplicates"],
)
def test_a_refusal_writes_nothing(tmp_path: Path, text: str, options: OnnxOptions, message: str) -> None:
    """Not even the folder of the models."""
    with pytest.raises(OnnxImportError, match=message):
        imported(tmp_path, text, options)
    assert not (tmp_path / "models").exists()


def test_a_batch_that_cannot_be_freed_is_in_the_manifest(tmp_path: Path) -> None:
    """As `max_batch`, and the notes say it."""
    manifest = read_bundle(imported(tmp_path, NEVER_FREE).folder).manifest
    assert (manifest.schema_version, manifest.max_batch) == (2, 1)
    assert any("max_batch 1" in note for note in manifest.provenance.notes)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_a_real_vision_transformer_of_one_image_is_imported(tmp_path: Path) -> None:
    """With its class token in a constant, PyTorch's exporter has fixed the batch for good."""
    torch.manual_seed(0)
    network = timm.create_model("vit_tiny_patch16_224", num_classes=3, img_size=32, depth=2).eval()
    path = tmp_path / "vit.onnx"
    torch.onnx.export(network, (torch.zeros(1, 3, 32, 32),), path, dynamo=True, verbose=False)
    options = OnnxOptions(labels=write_labels(tmp_path), preset=Preset.INCEPTION, scores=ScoreKind.LOGITS)
    made = import_onnx(path, tmp_path / "models", "vit", 1, options, list[Guess]().append)
    assert made.difference < 1e-4
    manifest = read_bundle(made.folder).manifest
    assert (manifest.max_batch, manifest.class_map) == (1, False)


def test_such_a_bundle_is_evaluated_one_image_at_a_time(tmp_path: Path) -> None:
    """As many as there are, also by parts of its graph; variants of it are refused in a sentence."""
    folder = imported(tmp_path, NEVER_FREE).folder
    pictures = np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE, 3), np.uint8)
    probabilities, logits = run_graph(folder / "model.onnx", pictures)
    assert probabilities.shape == logits.shape == (3, len(LABELS))
    np.testing.assert_array_equal(Graph(folder / "model.onnx").compute([PROBABILITIES], pictures)[0], probabilities)
    with pytest.raises(OptimizeError, match="takes batches of 1"):
        optimize(folder, [Precision.INT8], VariantOptions(0.5, 0.7, 1), Source(None, tmp_path / "run"))


def test_a_class_map_and_larger_pictures_are_in_the_manifest(tmp_path: Path) -> None:
    """Where the network has the one and the file takes the others."""
    manifest = read_bundle(imported(tmp_path, FEATURE_MAPS).folder).manifest
    assert (manifest.class_map, manifest.dense) == (True, None)
    free = FEATURE_MAPS.replace(f"3, {SIDE}, {SIDE}]", "3, height, width]")
    options = OnnxOptions(labels=tmp_path / "labels.txt", preset=Preset.UNIT, size=SIDE)
    manifest = read_bundle(imported(tmp_path, free, options, overwrite=True).folder).manifest
    assert manifest.dense == Dense(stride=(2, 2), window=(7, 7))


def test_a_bundle_that_exists_stays(tmp_path: Path) -> None:
    """Unless it is to be replaced."""
    imported(tmp_path, NCHW_LOGITS)
    with pytest.raises(BundleExistsError, match="--overwrite"):
        imported(tmp_path, NCHW_LOGITS)
    imported(tmp_path, NCHW_LOGITS, overwrite=True)


def test_labels_with_duplicates_are_refused(tmp_path: Path) -> None:
    """As in every bundle."""
    (tmp_path / "doubles.txt").write_text("crane\nheron\ncrane\n")
    with pytest.raises(DatasetError, match="'crane' is there twice"):
        imported(tmp_path, NCHW_LOGITS, OnnxOptions(labels=tmp_path / "doubles.txt"))
