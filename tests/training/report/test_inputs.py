"""The inputs of a report."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.contract import BundleError, Precision, read_bundle
from tests.training.report.conftest import MakeBundle
from training.errors import ReportError
from training.report.inputs import ReportInputs, find_photos, open_graph

IMAGENET = Path(__file__).parents[3] / "models" / "imagenet" / "1"


def test_the_chosen_photo_comes_before_the_golden_images(make_bundle: MakeBundle, tmp_path: Path) -> None:
    """Each is there as the network takes it, and whole."""
    Image.new("RGB", (40, 30), (9, 9, 9)).save(tmp_path / "mine.png")
    mine, *golden = find_photos(make_bundle(), tmp_path / "mine.png")
    assert [photo.name for photo in golden] == ["0.png", "1.png"]
    assert (mine.name, mine.pixels.shape, mine.picture.size, mine.picture.mode) == (
        "mine.png",
        (16, 16, 1),
        (40, 30),
        "L",
    )
    assert mine.pixels.max() == mine.pixels.min() == 9


def test_colour_networks_get_the_sample_photos_too() -> None:
    """Those of scikit-learn, after the golden images."""
    names = [photo.name for photo in find_photos(read_bundle(IMAGENET), None)]
    assert names[-2:] == ["china.jpg", "flower.jpg"]
    assert len(names) > 2


def test_a_file_that_is_no_image_is_named(make_bundle: MakeBundle, tmp_path: Path) -> None:
    """With the reason."""
    (tmp_path / "note.txt").write_text("not an image")
    with pytest.raises(ReportError, match=r"note\.txt cannot be shown: not a picture"):
        find_photos(make_bundle(), tmp_path / "note.txt")


def test_answers_and_class_maps_are_those_of_the_photos(inputs: ReportInputs) -> None:
    """Computed once for all."""
    assert inputs.stack.shape == (2, 16, 16, 1)
    np.testing.assert_allclose(inputs.answers.sum(axis=1), 1, atol=1e-5)
    assert inputs.class_maps.shape == (2, 4, 4, 4)
    assert inputs.answers is inputs.answers


def test_a_network_whose_file_was_changed_is_not_opened(make_bundle: MakeBundle) -> None:
    """Its hash is that of the manifest no more."""
    bundle = make_bundle()
    open_graph(bundle)
    bundle.model_path(Precision.FP32).write_bytes(b"other")
    with pytest.raises(BundleError, match=r"model\.onnx"):
        open_graph(bundle)
