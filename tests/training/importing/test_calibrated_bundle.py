"""A new version of a bundle, calibrated on held-out images."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx.external_data_helper import set_external_data

from models.contract import LOGITS, PROBABILITIES, Bundle, Precision, Task, read_bundle, sha256_of
from tests.support.bundles import change_manifest, write_bundle
from tests.support.class_folders import FASHION, write_clothes, write_colours, write_multilabel_table
from tests.support.onnx_files import LABELS, NCHW_LOGITS, OPSET_11, write_labels, write_onnx
from tests.support.variants import add_variant
from training.data.held_out_images import calibration_parts, evaluation_part, open_held_out
from training.errors import BundleExistsError, DatasetError, ParityError
from training.evaluation.graph_runs import run_on_images
from training.evaluation.metrics import softmax
from training.importing import calibrated_bundle
from training.importing.calibrated_bundle import CalibratedBundle, calibrate_bundle, next_version
from training.importing.guesses import Guess
from training.importing.import_onnx import OnnxOptions, import_onnx
from training.importing.normalization import Preset


def calibrated(folder: Path, data: Path, version: int = 2) -> CalibratedBundle:
    bundle = read_bundle(folder)
    images, test = calibration_parts(open_held_out(str(data), bundle.manifest))
    return calibrate_bundle(bundle, version, images, test, list[int]().append)


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): sha256_of(path) for path in folder.rglob("*") if path.is_file()}


def check_temperature(bundle: Bundle, data: Path) -> None:
    """The graph's probabilities are the softmax of its logits over the temperature of the manifest."""
    images = evaluation_part(open_held_out(str(data), bundle.manifest))
    model = (bundle.model_path(Precision.FP32), Precision.FP32)
    run = run_on_images([model], images, bundle.manifest, (PROBABILITIES, LOGITS), list[int]().append).runs[0]
    expected = softmax(run.outputs[LOGITS], bundle.manifest.calibration.temperature)
    np.testing.assert_allclose(run.outputs[PROBABILITIES], expected, atol=1e-5)


def test_the_new_version_has_what_was_fitted_and_the_old_one_stays(tmp_path: Path) -> None:
    """Temperature in graph and manifest, thresholds, golden images; fp32 alone; where it comes from is in the notes."""
    folder = add_variant(write_bundle(tmp_path / "models"))
    before = contents(folder)
    photos = write_colours(tmp_path / "photos", 100)
    made = calibrated(folder, photos)
    assert contents(folder) == before
    assert (made.left_out, made.folder) == ((Precision.INT8,), folder.parent / "2")
    bundle = read_bundle(made.folder)
    bundle.check_files()
    manifest, calibration = bundle.manifest, bundle.manifest.calibration
    assert manifest == made.manifest
    assert (manifest.version, manifest.schema_version, manifest.class_map) == (2, 2, True)
    assert [variant.precision for variant in manifest.variants] == ["fp32"]
    assert (calibration.images, calibration.fitted_on, calibration.weak) == (300, "images of photos", None)
    assert calibration.temperature != pytest.approx(1, abs=0.01)
    assert (calibration.nll_after or 9) < (calibration.nll_before or 0)
    assert calibration.prediction_sets is not None
    assert calibration.energy is not None
    assert calibration.reliability is None
    assert calibration.baseline is not None
    assert (calibration.baseline.images, len(calibration.baseline.classes)) == (300, 3)
    check_temperature(bundle, photos)
    assert "from version 1, which was made on 2026-01-01 by `pytest`" in manifest.provenance.notes[-1]
    assert f"Softmax temperature: {calibration.temperature:.4f}." in (made.folder / "MODEL_CARD.md").read_text()


def test_the_golden_images_are_the_same_with_other_probabilities(tmp_path: Path) -> None:
    """Those of the old logits at the new temperature."""
    folder = write_bundle(tmp_path / "models")
    made = calibrated(folder, write_colours(tmp_path / "photos", 80))
    old, new = ({path: (body, row) for path, body, row in read_bundle(each).golden()} for each in (folder, made.folder))
    temperature = made.manifest.calibration.temperature
    for path, (body, row) in new.items():
        assert body == old[path][0]
        np.testing.assert_allclose(row, softmax(np.log(old[path][1])[None], temperature)[0], atol=1e-4)


def test_what_was_fitted_is_measured_on_test_images(tmp_path: Path) -> None:
    """Where the data have such a part; fitted on validation images."""
    write_colours(tmp_path / "whole" / "val", 90)
    write_colours(tmp_path / "whole" / "test", 60, seed=1)
    made = calibrated(write_bundle(tmp_path / "models"), tmp_path / "whole")
    calibration, metrics = made.manifest.calibration, made.manifest.variants[0].metrics
    assert calibration.fitted_on == "validation images of whole"
    assert calibration.reliability is not None
    assert (calibration.reliability.images, calibration.reliability.measured_on) == (180, metrics.source)
    assert metrics.source == "test images of whole; ONNX Runtime on the CPU"
    assert calibration.prediction_sets is not None
    assert calibration.prediction_sets.measured_images == 180


def test_scores_of_the_old_version_that_no_longer_hold_are_left_out(tmp_path: Path) -> None:
    """The accuracy and the confusion matrix hold, since the ranking is the same; NLL and errors do not."""
    folder = shutil.copytree(FASHION, tmp_path / "models" / "fashion-mnist" / "3")
    made = calibrated(folder, write_clothes(tmp_path / "photos", 25), 7)
    metrics = made.manifest.variants[0].metrics
    assert (metrics.top1, metrics.images) == (0.9549, 10000)
    assert (metrics.nll, metrics.ece, metrics.adaptive_ece) == (None, None, None)
    assert metrics.source.endswith("by version 3, which ranks the same")
    assert "| 0 T-shirt/top | 931 |" in (made.folder / "MODEL_CARD.md").read_text()
    assert next_version(read_bundle(folder)) == 8


@pytest.mark.parametrize("text", [NCHW_LOGITS, OPSET_11], ids=["logits", "probabilities"])
def test_an_imported_file_is_calibrated(tmp_path: Path, text: str) -> None:
    """Where it has no logits but logarithms of probabilities, there is no energy threshold, and the note says why."""
    options = OnnxOptions(labels=write_labels(tmp_path), preset=Preset.UNIT)
    file = write_onnx(tmp_path / "model.onnx", text)
    folder = import_onnx(file, tmp_path / "models", "flowers", 1, options, list[Guess]().append).folder
    photos = write_colours(tmp_path / "photos", 70)
    made = calibrated(folder, photos)
    check_temperature(read_bundle(made.folder), photos)
    calibration = made.manifest.calibration
    assert (calibration.energy is None) == (text == OPSET_11)
    assert ("the energy is the same for all images" in calibration.note) == (text == OPSET_11)
    assert made.manifest.labels == LABELS
    assert not made.manifest.variants[0].metrics.measured


def test_weights_in_another_file_come_along(tmp_path: Path) -> None:
    """The old bundle has external data; the new one needs no file outside it."""
    folder = write_bundle(tmp_path / "models")
    model = onnx.load(folder / "model.onnx")
    set_external_data(next(each for each in model.graph.initializer if each.name == "scale"), "weights.bin")
    onnx.save(model, folder / "model.onnx")
    manifest = json.loads((folder / "manifest.json").read_text())
    files = [each for each in manifest["files"] if each["path"] != "model.onnx"] + [
        {"path": name, "sha256": sha256_of(folder / name), "bytes": (folder / name).stat().st_size}
        for name in ("model.onnx", "weights.bin")
    ]
    change_manifest(folder, files=files)
    photos = write_colours(tmp_path / "photos", 70)
    made = calibrated(folder, photos)
    (folder / "weights.bin").unlink()
    check_temperature(read_bundle(made.folder), photos)


def test_few_images_make_a_weak_calibration(tmp_path: Path) -> None:
    """Manifest and card say so, with the count."""
    made = calibrated(write_bundle(tmp_path / "models"), write_colours(tmp_path / "photos", 10))
    assert made.manifest.calibration.weak == "fitted on 30 images; at least 200 are needed"
    assert "**Weak:** fitted on 30 images; at least 200 are needed." in (made.folder / "MODEL_CARD.md").read_text()


def test_thresholds_are_fitted_where_an_image_has_several_labels(tmp_path: Path) -> None:
    """One for each class, better than 0.5; the graph stays, and there is no temperature, set or energy."""
    folder = write_bundle(tmp_path / "models", task=Task.MULTILABEL)
    table = write_multilabel_table(tmp_path / "photos", 300, level=100)
    made = calibrated(folder, table)
    calibration = made.manifest.calibration
    assert len(calibration.thresholds) == 3
    assert all(0.01 < threshold < 0.4 for threshold in calibration.thresholds)
    assert (calibration.temperature, calibration.prediction_sets, calibration.energy) == (1.0, None, None)
    read_bundle(made.folder).check_files()
    assert "a class counts as present, in the order of the labels: 0." in (made.folder / "MODEL_CARD.md").read_text()


def test_a_version_that_exists_is_refused(tmp_path: Path) -> None:
    """Also the one that is calibrated; the next free one is named."""
    folder = write_bundle(tmp_path / "models")
    with pytest.raises(BundleExistsError, match="1 exists, and calibrating changes no version: .* such as 2"):
        calibrated(folder, write_colours(tmp_path / "photos", 1), 1)


def test_a_refusal_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Images that cannot be read, before anything is written, and a graph that computes something else, after it."""
    folder = write_bundle(tmp_path / "models")
    (tmp_path / "damaged" / "red").mkdir(parents=True)
    (tmp_path / "damaged" / "red" / "a.png").write_text("no picture")
    with pytest.raises(DatasetError, match="none of the 1 images"):
        calibrated(folder, tmp_path / "damaged")
    monkeypatch.setattr(calibrated_bundle, "set_temperature", lambda model, temperature: None)
    with pytest.raises(ParityError, match="the graph of colours cannot be calibrated"):
        calibrated(folder, write_colours(tmp_path / "photos", 80))
    assert [path.name for path in folder.parent.iterdir()] == ["1"]
    assert [path.name for path in folder.parent.parent.iterdir()] == ["colours"]


def test_the_new_version_is_better_calibrated_on_other_images(tmp_path: Path) -> None:
    """Fitted on one draw of pictures, tried on another."""
    folder = write_bundle(tmp_path / "models")
    made = calibrated(folder, write_colours(tmp_path / "photos", 200))
    others = write_colours(tmp_path / "others", 200, seed=5)
    errors = []
    for each in (folder, made.folder):
        bundle = read_bundle(each)
        images = evaluation_part(open_held_out(str(others), bundle.manifest))
        model = (bundle.model_path(Precision.FP32), Precision.FP32)
        run = run_on_images([model], images, bundle.manifest, (PROBABILITIES,), list[int]().append)
        true = run.runs[0].outputs[PROBABILITIES][np.arange(600), run.truth.astype(np.int64)]
        errors.append(-np.log(true).mean())
    assert errors[1] < errors[0] - 0.01
