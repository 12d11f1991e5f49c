"""The bundles that come with the project keep what the README says of them."""

from pathlib import Path

import numpy as np
import pytest

from models.contract import Bundle, read_bundle
from training.importing.golden_images import check_golden

ROOT = Path(__file__).parent.parent.parent / "models"


@pytest.fixture(params=["imagenet/1", "fashion-mnist/3"])
def bundle(request: pytest.FixtureRequest) -> Bundle:
    return read_bundle(ROOT / request.param)


def test_files_and_golden_images_hold(bundle: Bundle) -> None:
    """Every hash, and every golden row through a fresh session."""
    bundle.check_files()
    assert check_golden(bundle) < 1e-3


def test_a_bundle_is_under_20_mb(bundle: Bundle) -> None:
    """Small enough for the repository and for the image."""
    assert sum(path.stat().st_size for path in bundle.path.rglob("*")) < 20_000_000


def test_a_bundle_says_which_commit_made_it(bundle: Bundle) -> None:
    """A whole commit, without changes, and the command."""
    assert len(bundle.manifest.provenance.commit) == 40
    assert bundle.manifest.provenance.command.startswith("snellen ")


def test_imagenet_names_what_is_in_the_golden_photos() -> None:
    """An espresso, a cat and a rocket; the labels are in ImageNet's order."""
    bundle = read_bundle(ROOT / "imagenet" / "1")
    labels = bundle.manifest.labels
    first = {Path(path).stem: labels[int(np.argmax(row))] for path, _, row in bundle.golden()}
    assert first["espresso"] == "espresso"
    assert first["cat"] in ("tabby", "tiger cat", "Egyptian cat")
    assert first["rocket"] in ("missile", "projectile", "space shuttle")
    assert (len(labels), labels[0], labels[293], labels[999]) == (1000, "tench", "cheetah", "toilet tissue")


def test_imagenet_claims_no_more_than_is_known() -> None:
    """Accuracy is marked as quoted, and no temperature as fitted."""
    manifest = read_bundle(ROOT / "imagenet" / "1").manifest
    assert not manifest.variants[0].metrics.measured
    assert manifest.calibration.fitted_on is None
    assert manifest.calibration.temperature == 1.0


def test_imagenet_takes_photos_larger_than_its_input() -> None:
    """`?dense=1` works on the default model: a cell every 32 pixels."""
    manifest = read_bundle(ROOT / "imagenet" / "1").manifest
    assert manifest.dense is not None
    assert (manifest.dense.stride, manifest.dense.window) == ((32, 32), (7, 7))


def test_fashion_mnist_is_small_and_as_right_as_the_published_figure() -> None:
    """Under 0.8 million parameters and at least 95.4 % of the 10,000 test images, as DenseNet-BC."""
    manifest = read_bundle(ROOT / "fashion-mnist" / "3").manifest
    metrics = manifest.variants[0].metrics
    assert metrics.images == 10_000
    assert metrics.top1 is not None
    assert metrics.top1 >= 0.954
    assert manifest.parameters < 800_000


def test_fashion_mnist_covers_what_its_sets_promise() -> None:
    """Measured coverage is at least the wanted one, less what chance allows, with few classes on average."""
    sets = read_bundle(ROOT / "fashion-mnist" / "3").manifest.calibration.prediction_sets
    assert sets is not None
    for wanted, measured in sets.measured_coverage.items():
        assert measured > float(wanted) - 0.015
        assert sets.mean_size[wanted] < 2
