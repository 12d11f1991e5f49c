"""From an ONNX file to a bundle."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch

from models.contract import PROBABILITIES, Dense, Precision, Task, read_bundle
from tests.support.onnx_files import (
    BINARY_LOGITS,
    DETECTOR,
    FEATURE_MAPS,
    HUGGING_FACE,
    KERAS_BINARY,
    LABELS,
    NCHW_LOGITS,
    NEVER_FREE,
    SIDE,
    SIGMOID,
    SIGMOID_BY_HAND,
    SIGMOID_OPSET_7,
    ULTRALYTICS,
    write_labels,
    write_onnx,
)
from training.data.option_values import InputSize
from training.errors import BundleExistsError, OnnxImportError, OptimizeError
from training.evaluation.evaluate import run_graph
from training.importing.golden_photos import shipped_photos
from training.importing.guesses import Guess
from training.importing.import_onnx import ImportedBundle, OnnxOptions, import_onnx, try_onnx
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
        (SIGMOID, OnnxOptions(preset=Preset.UNIT, task=Task.SINGLE), "as those of sigmoids do"),
        (ULTRALYTICS, OnnxOptions(task=Task.MULTILABEL), "as those of a softmax do"),
        (KERAS_BINARY, OnnxOptions(), "2 labels: the first for a score of 0, the second for a score of 1"),
        (NCHW_LOGITS, OnnxOptions(), "does not name its 3 classes: give a file with 3 labels"),
        (ULTRALYTICS, OnnxOptions(check=Path("missing.jpg")), "missing.jpg cannot be used for --check"),
        (ULTRALYTICS, OnnxOptions(golden=Path("missing")), "missing is no folder"),
        (ULTRALYTICS.replace(", 2: 'blue'", ""), OnnxOptions(), "names in the metadata has 2 labels, .* has 3 classes"),
    ],
    ids=["detector", "sigmoid", "softmax", "binary", "no labels", "photo", "golden", "count"],
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
    options = OnnxOptions(labels=tmp_path / "labels.txt", preset=Preset.UNIT, size=InputSize(SIDE, SIDE))
    manifest = read_bundle(imported(tmp_path, free, options, overwrite=True).folder).manifest
    assert manifest.dense == Dense(stride=(2, 2), window=(7, 7))


def test_a_bundle_that_exists_stays(tmp_path: Path) -> None:
    """Unless it is to be replaced."""
    imported(tmp_path, NCHW_LOGITS)
    with pytest.raises(BundleExistsError, match="--overwrite"):
        imported(tmp_path, NCHW_LOGITS)
    imported(tmp_path, NCHW_LOGITS, overwrite=True)


def test_two_labels_may_be_equal(tmp_path: Path) -> None:
    """The identity of a class is its index."""
    (tmp_path / "doubles.txt").write_text("crane\nheron\ncrane\n")
    made = imported(tmp_path, NCHW_LOGITS, OnnxOptions(labels=tmp_path / "doubles.txt"))
    assert read_bundle(made.folder).manifest.labels == ("crane", "heron", "crane")
    made = imported(tmp_path, ULTRALYTICS.replace("blue", "red"), OnnxOptions(), overwrite=True)
    assert read_bundle(made.folder).manifest.labels == ("red", "green", "red")


@pytest.mark.parametrize(
    ("text", "options", "task"),
    [
        (SIGMOID, OnnxOptions(), Task.MULTILABEL),
        (SIGMOID_BY_HAND, OnnxOptions(), Task.MULTILABEL),
        (SIGMOID_OPSET_7, OnnxOptions(task=Task.MULTILABEL), Task.MULTILABEL),
        (NCHW_LOGITS, OnnxOptions(task=Task.MULTILABEL), Task.MULTILABEL),
        (KERAS_BINARY, OnnxOptions(), Task.SINGLE),
        (BINARY_LOGITS, OnnxOptions(scores=ScoreKind.LOGITS), Task.SINGLE),
    ],
    ids=["sigmoid", "by hand", "opset 7", "logits", "binary", "binary logits"],
)
def test_sigmoids_are_proven_equal_too(tmp_path: Path, text: str, options: OnnxOptions, task: Task) -> None:
    """Several are the task multilabel, one is two classes; the bundle reproduces its golden images."""
    labels = write_labels(tmp_path) if task is Task.MULTILABEL else _two_labels(tmp_path)
    made = imported(tmp_path, text, replace(options, labels=labels))
    assert made.difference < 1e-5
    manifest = read_bundle(made.folder).manifest
    assert (manifest.task, len(manifest.labels)) == (task, 3 if task is Task.MULTILABEL else 2)


def _two_labels(folder: Path) -> Path:
    (folder / "two.txt").write_text("cat\ndog\n")
    return folder / "two.txt"


def test_photos_of_the_user_become_golden_images(tmp_path: Path) -> None:
    """With their names in the notes."""
    (tmp_path / "photos").mkdir()
    for name, photo in zip(("b.jpg", "a.jpg"), shipped_photos(), strict=False):
        (tmp_path / "photos" / name).write_bytes(photo.encoded)
    guesses = list[Guess]()
    path = write_onnx(tmp_path / "model.onnx", ULTRALYTICS)
    options = OnnxOptions(golden=tmp_path / "photos")
    made = import_onnx(path, tmp_path / "models", "flowers", 1, options, guesses.append)
    manifest = read_bundle(made.folder).manifest
    assert manifest.golden.images == ("golden/1.jpg", "golden/2.jpg")
    assert "Golden photo 1.jpg: a.jpg." in manifest.provenance.notes
    assert next(guess.value for guess in guesses if guess.what == "golden") == "2, a.jpg, b.jpg"


def test_an_export_of_hugging_face_needs_no_options(tmp_path: Path) -> None:
    """Labels, task, layout, size, scaling and resize come from the files beside it; options go before them."""
    config = {"id2label": {"0": "red", "1": "green", "2": "blue"}, "problem_type": "multi_label_classification"}
    processor = {"size": SIDE, "resample": 3, "do_rescale": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(processor))
    made = imported(tmp_path, HUGGING_FACE, OnnxOptions())
    manifest = read_bundle(made.folder).manifest
    assert (manifest.labels, manifest.task, manifest.input.height) == (LABELS, Task.MULTILABEL, SIDE)
    assert (manifest.preprocessing.resize, manifest.preprocessing.interpolation) == ("squash", "bicubic")
    notes = " ".join(manifest.provenance.notes)
    assert "scaling: (pixel - [127.5, 127.5, 127.5]) / [127.5, 127.5, 127.5]" in notes
    given = OnnxOptions(task=Task.SINGLE, preset=Preset.UNIT, resize="crop", interpolation="bilinear")
    manifest = read_bundle(imported(tmp_path, HUGGING_FACE, given, overwrite=True).folder).manifest
    assert (manifest.task, manifest.preprocessing.resize, manifest.preprocessing.crop_fraction) == ("single", "crop", 1)
    assert "scaling: (pixel - 0) / 255 (unit" in " ".join(manifest.provenance.notes)


def test_labels_beside_the_file_have_to_fit(tmp_path: Path) -> None:
    """One sentence names the file, and --labels goes before it."""
    (tmp_path / "config.json").write_text('{"id2label": {"0": "red", "1": "green"}}')
    with pytest.raises(OnnxImportError, match=r"config.json has 2 labels, but output 'output' has 3 classes"):
        imported(tmp_path, NCHW_LOGITS, OnnxOptions())
    assert not (tmp_path / "models").exists()
    imported(tmp_path, NCHW_LOGITS)


def test_presets_are_tried_without_writing(tmp_path: Path) -> None:
    """The photo decides; without one, or with a preset, there is nothing to try."""
    (tmp_path / "photo.jpg").write_bytes(shipped_photos()[0].encoded)
    path, labels = write_onnx(tmp_path / "model.onnx", NCHW_LOGITS), write_labels(tmp_path)
    options = OnnxOptions(labels=labels, check=tmp_path / "photo.jpg")
    trials = try_onnx(path, options, list[Guess]().append)
    assert {trial.preset for trial in trials} == set(Preset)
    assert [trial.preset for trial in trials if trial.found] == [Preset.IMAGENET]
    assert sorted(tmp_path.iterdir()) == [labels, path, tmp_path / "photo.jpg"]
    with pytest.raises(OnnxImportError, match="give it one with --check"):
        try_onnx(path, OnnxOptions(labels=labels), list[Guess]().append)
    with pytest.raises(OnnxImportError, match="leave out --preset"):
        try_onnx(path, replace(options, preset=Preset.UNIT), list[Guess]().append)


def test_a_network_that_answers_the_same_to_everything_is_refused(tmp_path: Path) -> None:
    """The proof would say nothing. Nothing is written."""
    text = NCHW_LOGITS.replace("output = Gemm", "l = Gemm").replace(
        "(features, w, b)", "(features, w, b) output = Sub (l, l)"
    )
    with pytest.raises(OnnxImportError, match="output 'output' is the same for all 16 pictures"):
        imported(tmp_path, text)
    assert not (tmp_path / "models").exists()
