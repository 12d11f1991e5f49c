"""Making and judging bundles in the environment of the service, in which there is no PyTorch."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from models.contract import Bundle, Precision, Scores, Variant, read_bundle
from tests.support.bundles import INPUT, SIDE, write_bundle
from training.data.labelled_images import LabelledImages, to_picture
from training.errors import DatasetError, ParityError
from training.evaluation.calibrate import calibrate, measure
from training.evaluation.evaluate import Evaluation, evaluate
from training.evaluation.onnx_session import open_session, single_predictor
from training.evaluation.out_of_distribution import ood_images, out_of_distribution
from training.importing.bundle_writer import MODEL, list_files, new_bundle, write_manifest
from training.importing.golden_images import check_golden, encode, write_golden
from training.importing.provenance import provenance
from training.model_card.model_card import model_card


@pytest.fixture
def source(tmp_path: Path) -> Bundle:
    """A bundle whose graph tells red, green and blue apart."""
    return read_bundle(write_bundle(tmp_path / "source"))


def coloured(count: int) -> LabelledImages:
    """Dark noise that is brighter in the channel of its class."""
    random = np.random.default_rng(0)
    labels = np.arange(count, dtype=np.int64) % 3
    images = random.integers(0, 100, (count, SIDE, SIDE, 3), np.uint8)
    images[np.arange(count), :, :, labels] += 100
    return LabelledImages(images, labels)


def evaluated(bundle: Bundle, images: LabelledImages) -> Evaluation:
    return evaluate(bundle.model_path(Precision.FP32), images, INPUT, bundle.manifest.preprocessing)


def remake(source: Bundle, repository: Path, *, wrong: bool = False) -> Bundle:
    """Make a new bundle of the graph of `source`; `wrong` writes golden images of another network."""
    held_out, manifest = coloured(60), source.manifest
    found = evaluated(source, held_out)
    calibration = measure(calibrate(found.logits, held_out.labels, "held-out noise"), found, "the same noise")
    with new_bundle(repository, manifest.name, 2) as folder:
        shutil.copy(source.model_path(Precision.FP32), folder / MODEL)
        classify = single_predictor(open_session(folder / MODEL))
        golden = write_golden(
            folder,
            [encode(to_picture(image), f"{row}.png", "PNG") for row, image in enumerate(held_out.images[:3])],
            (lambda pixels: classify(pixels)[::-1]) if wrong else classify,
            INPUT,
            manifest.preprocessing,
        )
        changes = {
            "version": 2,
            "files": list_files(folder),
            "variants": (Variant(precision=Precision.FP32, path=MODEL, metrics=found.metrics("noise")),),
            "calibration": calibration,
            "golden": golden,
            "provenance": provenance(dataset="noise", licence="CC0", notes=("Made without PyTorch.",)),
        }
        made = manifest.model_copy(update=changes)
        write_manifest(folder, made, model_card(made, found.confusion()))
    return read_bundle(repository / manifest.name / "2")


def test_a_bundle_is_made_measured_and_verified_without_pytorch(source: Bundle, tmp_path: Path) -> None:
    """Golden images, calibration, metrics, provenance and card of a new bundle come from the ONNX file alone."""
    bundle = remake(source, tmp_path / "made")
    bundle.check_files()
    assert check_golden(bundle) == pytest.approx(0, abs=1e-6)
    metrics: Scores = bundle.manifest.variants[0].metrics
    assert (metrics.images, metrics.top1) == (60, 1.0)
    assert bundle.manifest.calibration.images == 60
    assert set(bundle.manifest.provenance.libraries) == {"numpy", "onnx", "onnxruntime", "pillow"}
    assert "Made without PyTorch." in (bundle.path / "MODEL_CARD.md").read_text()


def test_golden_images_of_another_network_stop_a_bundle_without_pytorch(source: Bundle, tmp_path: Path) -> None:
    """The new bundle is verified before it is published, and nothing of it is left."""
    with pytest.raises(ParityError, match="is off by"):
        remake(source, tmp_path / "made", wrong=True)
    assert not (tmp_path / "made").exists()


def test_noise_needs_no_package_and_digits_name_theirs(source: Bundle) -> None:
    """Of the sets that show none of the classes, those of scikit-learn say what to install."""
    noise = out_of_distribution("noise", source.model_path(Precision.FP32), INPUT)
    assert noise.logits.shape == (1000, 3)
    with pytest.raises(DatasetError, match="pip install --no-deps scikit-learn"):
        ood_images("digits", INPUT)
