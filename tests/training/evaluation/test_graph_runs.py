"""Graphs run on images that are read in batches."""

from pathlib import Path

import numpy as np
import pytest

from models.contract import LOGITS, PROBABILITIES, BundleError, Precision, read_bundle
from tests.support.bundles import change_manifest, write_bundle
from tests.support.class_folders import write_colours
from training.data.held_out_images import open_held_out
from training.errors import DatasetError
from training.evaluation.graph_runs import ImageRuns, read_batches, run_on_images


def run(folder: Path, photos: Path, counts: list[int] | None = None) -> ImageRuns:
    bundle = read_bundle(folder)
    images = open_held_out(str(photos), bundle.manifest)["test"]
    counted = [] if counts is None else counts
    model = (bundle.model_path(Precision.FP32), Precision.FP32)
    return run_on_images([model, model], images, bundle.manifest, (PROBABILITIES, LOGITS), counted.append)


def test_each_graph_sees_each_image_that_can_be_read(tmp_path: Path) -> None:
    """More images than a batch has, in their order; the others are named with the reason, and all are counted."""
    photos = write_colours(tmp_path / "photos", 100)
    (photos / "green" / "000.png").write_bytes(b"no picture")
    counts: list[int] = []
    found = run(write_bundle(tmp_path / "models"), photos, counts)
    assert counts == [256, 44]
    assert (found.truth == np.repeat([2, 1, 0], [100, 99, 100])).all()  # in the order of the folders
    assert [(Path(each.path).name, each.reason[:13]) for each in found.skipped] == [("000.png", "not a picture")]
    first, second = found.runs
    assert first.outputs[PROBABILITIES].shape == (299, 3)
    np.testing.assert_array_equal(first.outputs[LOGITS], second.outputs[LOGITS])
    assert (first.outputs[PROBABILITIES].argmax(axis=1) == found.truth).mean() > 0.6
    assert min(first.seconds, second.seconds) > 0


def test_bundles_of_the_same_input_share_the_pixels(tmp_path: Path) -> None:
    """A bundle with another input or preprocessing gets its own."""
    manifest = read_bundle(write_bundle(tmp_path / "models")).manifest
    larger = manifest.model_copy(update={"input": manifest.input.model_copy(update={"width": 20})})
    images = open_held_out(str(write_colours(tmp_path / "photos", 2)), manifest)["test"]
    batches = list(read_batches(images, [manifest, larger, manifest], 4, 1))
    assert [batch.rows for batch in batches] == [[0, 1, 2, 3], [4, 5]]
    first, second, third = batches[0].pixels
    assert first is third
    assert (first.shape, second.shape) == ((4, 16, 16, 3), (4, 16, 20, 3))


def test_batches_are_no_larger_than_the_graph_takes(tmp_path: Path) -> None:
    """`max_batch` of the manifest."""
    folder = write_bundle(tmp_path / "models")
    change_manifest(folder, schema_version=2, max_batch=7)
    counts: list[int] = []
    found = run(folder, write_colours(tmp_path / "photos", 5), counts)
    assert (counts, found.batch_size) == ([7, 7, 1], 7)


def test_images_of_which_none_can_be_read_are_refused(tmp_path: Path) -> None:
    """With the first one and its reason."""
    (tmp_path / "photos" / "red").mkdir(parents=True)
    (tmp_path / "photos" / "red" / "a.png").write_bytes(b"no picture")
    with pytest.raises(DatasetError, match=r"none of the 1 images of .* can be read; the first is .*a.png: not a pic"):
        run(write_bundle(tmp_path / "models"), tmp_path / "photos")


def test_a_graph_that_cannot_be_run_is_named(tmp_path: Path) -> None:
    """Whether it cannot be loaded or has other outputs."""
    folder, photos = write_bundle(tmp_path / "models"), write_colours(tmp_path / "photos", 1)
    change_manifest(folder, labels=["red", "green", "blue", "white"])
    with pytest.raises(BundleError, match=r"model.onnx cannot be run by onnxruntime"):
        run(folder, photos)
    (folder / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(BundleError, match=r"model.onnx cannot be loaded by onnxruntime"):
        run(folder, photos)
