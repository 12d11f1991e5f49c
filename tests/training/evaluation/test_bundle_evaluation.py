"""What `snellen evaluate` measures."""

from pathlib import Path

import pytest

from models.contract import Bundle, BundleError, Precision, Task, read_bundle
from tests.support.bundles import write_bundle
from tests.support.class_folders import write_colours, write_multilabel_table
from tests.support.variants import add_variant
from training.data.held_out_images import evaluation_part, open_held_out
from training.evaluation.bundle_evaluation import BundleEvaluation, evaluate_on
from training.evaluation.metrics import accuracy_interval


def evaluated(bundle: Bundle, data: Path, *precisions: Precision) -> BundleEvaluation:
    return evaluate_on(
        bundle, evaluation_part(open_held_out(str(data), bundle.manifest)), precisions, list[int]().append
    )


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return read_bundle(add_variant(write_bundle(tmp_path / "models"), factor=3))


def test_figures_add_up(bundle: Bundle, tmp_path: Path) -> None:
    """The accuracy is that of the confusion matrix, of the classes and of `evaluate_bundle`."""
    found = evaluated(bundle, write_colours(tmp_path / "photos", 80), Precision.INT8)
    fp32, int8 = found.variants
    right = sum(cell.images for cell in found.confusions if cell.true == cell.predicted)
    assert fp32.scores["top1"] == right / 240
    assert sum(cell.images for cell in found.confusions) == found.images == 240
    assert sum((each.scores["recall"] or 0) * each.images for each in found.classes) == pytest.approx(right)
    assert [each.scores["recall"] for each in found.classes] == sorted(
        each.scores["recall"] or 0 for each in found.classes
    )
    assert "top5" not in fp32.scores
    assert (fp32.agreement, int8.agreement["same"]) == ({}, 1.0)
    assert int8.scores["nll"] != fp32.scores["nll"]
    assert min(fp32.images_per_s, int8.images_per_s) > 0
    assert found.hint is None


def test_few_images_say_little(bundle: Bundle, tmp_path: Path) -> None:
    """With the interval of the accuracy; classes without images come last and have no recall."""
    photos = write_colours(tmp_path / "photos", 4)
    (photos / "red").rename(tmp_path / "elsewhere")
    found = evaluated(bundle, photos)
    low, high = accuracy_interval(found.variants[0].scores["top1"], 8)
    assert found.hint is not None
    assert found.hint.startswith(f"8 images say little: the accuracy lies between {low:.0%} and {high:.0%}")
    assert (found.classes[-1].label, found.classes[-1].images, found.classes[-1].scores["recall"]) == ("red", 0, None)


def test_a_variant_that_is_not_there_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    """Before an image is read."""
    with pytest.raises(BundleError, match="there is no fp16 variant"):
        evaluated(bundle, write_colours(tmp_path / "photos", 1), Precision.FP16)


def test_several_labels_of_an_image_are_judged_class_by_class(tmp_path: Path) -> None:
    """Against 0.5, or the thresholds of the manifest; there is no confusion matrix."""
    bundle = read_bundle(write_bundle(tmp_path / "models", task=Task.MULTILABEL))
    table = write_multilabel_table(tmp_path / "photos", 120)
    found = evaluated(bundle, table)
    assert found.confusions == ()
    assert set(found.classes[0].scores) == {"f1", "recall", "precision", "average_precision", "threshold"}
    assert {each.scores["threshold"] for each in found.classes} == {0.5}
    assert all((each.scores["average_precision"] or 0) > 0.8 for each in found.classes)
    assert set(found.variants[0].scores) == {"mean_average_precision", "macro_f1", "micro_f1", "exact_match"}
