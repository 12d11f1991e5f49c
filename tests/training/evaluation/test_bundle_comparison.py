"""What `snellen evaluate --against` measures."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from onnx import numpy_helper

from models.contract import Bundle, BundleError, Precision, Task, read_bundle
from tests.support.bundles import LABELS, change_manifest, colour_graph, write_bundle
from tests.support.class_folders import write_colours, write_multilabel_table
from training.data.held_out_images import ImageSource, open_with_or_without_labels
from training.errors import DatasetError
from training.evaluation.bundle_comparison import (
    BundleComparison,
    ChangedImage,
    Verdict,
    compare_bundles,
    match_bundles,
)
from training.evaluation.bundle_evaluation import evaluate_on


def write_tilted(
    repository: Path, version: int, tilt: tuple[float, float, float], task: Task = Task.SINGLE, **options: object
) -> Path:
    """Write the colour bundle whose logits are `tilt` larger."""
    graph = colour_graph(task=task)
    nothing = next(each for each in graph.graph.initializer if each.name == "zero")
    nothing.CopyFrom(numpy_helper.from_array(np.array(tilt, np.float32), "zero"))
    return write_bundle(repository, version=version, graph=graph, task=task, **options)  # type: ignore[arg-type]


def reorder(folder: Path) -> Path:
    """Give a bundle its labels in another order, with a class less than red, green and blue and one more."""
    change_manifest(folder, labels=["blue", "white", "red"])
    return folder


def opened(new: Bundle, serving: Bundle, source: Path) -> ImageSource:
    labels = match_bundles(new, serving).labels
    return open_with_or_without_labels(str(source), new.manifest.model_copy(update={"labels": labels}))


def compared(
    new: Path, serving: Path, source: Path, changed: list[ChangedImage] | None = None, counts: list[int] | None = None
) -> BundleComparison:
    bundles = read_bundle(new), read_bundle(serving)
    return compare_bundles(
        *bundles,
        opened(*bundles, source),
        Precision.FP32,
        advance=([] if counts is None else counts).append,
        on_changed=([] if changed is None else changed).append,
    )


@pytest.fixture
def serving(tmp_path: Path) -> Path:
    """The colour bundle without a tilt."""
    return write_bundle(tmp_path / "models")


@pytest.fixture
def tilted(tmp_path: Path) -> Path:
    """Version 2, which takes many pictures for red ones."""
    return write_tilted(tmp_path / "models", 2, (1, 0, 0))


def test_figures_add_up(serving: Path, tilted: Path, tmp_path: Path) -> None:
    """Accuracies are those of `evaluate`; changed images are those that are not the same, the largest first."""
    photos, changed, counts = write_colours(tmp_path / "photos", 100), list[ChangedImage](), list[int]()
    (photos / "red" / "000.png").write_bytes(b"no picture")
    found = compared(tilted, serving, photos, changed, counts)
    assert (found.new, found.serving, found.images, counts) == ("colours/2", "colours/1", 299, [256, 44])
    assert len(found.skipped) == 1
    assert found.agreement == pytest.approx(1 - len(changed) / 299)
    assert found.agreement_low < found.agreement < found.agreement_high
    assert (found.changed_images, len(found.changed)) == (len(changed), 20)
    assert list(found.changed) == sorted(changed, key=lambda each: -each.distance)[:20]
    assert 0 < found.mean_distance < found.max_distance <= 1
    assert found.accuracy is not None
    for folder, accuracy in ((tilted, found.accuracy.new), (serving, found.accuracy.serving)):
        bundle = read_bundle(folder)
        images = opened(bundle, read_bundle(serving if folder == tilted else tilted), photos)
        alone = evaluate_on(bundle, images, (), list[int]().append)  # type: ignore[arg-type]
        assert accuracy == alone.variants[0].scores["top1"]
    counts_of = found.accuracy.both, found.accuracy.only_new, found.accuracy.only_serving, found.accuracy.neither
    assert sum(counts_of) == 299
    assert sum(each.new - each.serving for each in found.classes) == (
        found.accuracy.only_new - found.accuracy.only_serving
    )
    gaps = [abs(each.new - each.serving) / each.images for each in found.classes]
    assert gaps == sorted(gaps, reverse=True)
    assert min(gaps) > 0
    right = sum(each.true == (each.new.label,) for each in changed)
    assert right == found.accuracy.only_new
    assert all({each.new.label, each.serving.label} <= set(LABELS) for each in changed)


def test_a_worse_bundle_is_called_worse_and_a_better_one_better(serving: Path, tilted: Path, tmp_path: Path) -> None:
    """Where the difference is significant; few images do not tell."""
    photos = write_colours(tmp_path / "photos", 200)
    worse, better = compared(tilted, serving, photos), compared(serving, tilted, photos)
    assert (worse.verdict, better.verdict) == (Verdict.WORSE, Verdict.BETTER)
    assert worse.accuracy is not None
    assert worse.accuracy.difference_high < 0
    assert worse.accuracy.p_value < 0.05
    few = compared(tilted, serving, write_colours(tmp_path / "few", 1))
    assert few.verdict is Verdict.UNDECIDED


def test_a_folder_without_labels_gives_agreement_only(serving: Path, tilted: Path, tmp_path: Path) -> None:
    """The same agreement as with labels."""
    labelled = compared(tilted, serving, write_colours(tmp_path / "photos", 30))
    (tmp_path / "flat").mkdir()
    for path in (tmp_path / "photos").rglob("*.png"):
        path.rename(tmp_path / "flat" / f"{path.parent.name}-{path.name}")
    found = compared(tilted, serving, tmp_path / "flat")
    assert (found.agreement, found.max_distance) == (labelled.agreement, labelled.max_distance)
    assert found.classes == ()
    assert (found.accuracy, found.verdict) == (None, Verdict.UNLABELLED)
    assert all(each.true is None for each in found.changed)


def test_classes_are_matched_by_label(serving: Path, tmp_path: Path) -> None:
    """In another order, and where each bundle has a class that the other one lacks; images of it are counted."""
    other = reorder(write_bundle(tmp_path / "models", version=2))
    found = compared(other, serving, write_colours(tmp_path / "photos", 10, spread=0))
    assert (found.shared_labels, found.reordered) == (2, True)
    assert (found.only_new, found.only_serving) == (("white",), ("green",))
    assert found.agreement == 0.0  # red channels are called blue, green ones white, blue ones red
    assert found.accuracy is not None
    assert (found.accuracy.unknown_to_new, found.accuracy.unknown_to_serving) == (10, 0)
    assert (found.accuracy.only_serving, found.accuracy.neither) == (30, 0)


def test_several_labels_are_compared_at_their_thresholds(tmp_path: Path) -> None:
    """An image is right where each class is; those that change name one class with both decisions."""
    old = write_bundle(tmp_path / "models", task=Task.MULTILABEL)
    new = write_bundle(tmp_path / "models", version=2, task=Task.MULTILABEL, thresholds=(0.5, 0.99, 0.5))
    table, changed = write_multilabel_table(tmp_path / "photos", 120), list[ChangedImage]()
    found = compared(new, old, table, changed)
    assert (found.max_distance, found.verdict) == (0.0, Verdict.WORSE)
    assert {(each.new.label, each.new.present, each.serving.present) for each in changed} == {("green", False, True)}
    assert any(each.true == ("green", "blue") for each in changed)
    without = compared(new, old, table.parent)
    assert (without.agreement, without.accuracy) == (found.agreement, None)


def test_bundles_may_have_different_inputs(serving: Path, tmp_path: Path) -> None:
    """Each gets its own pixels: here the other one sees the middle of the picture only."""
    other = write_bundle(tmp_path / "models", version=2)
    change_manifest(other, preprocessing={"crop_fraction": 0.5}, schema_version=2, max_batch=7)
    counts = list[int]()
    found = compared(other, serving, write_colours(tmp_path / "photos", 5), counts=counts)
    assert counts == [7, 7, 1]
    assert found.agreement == 1.0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"labels": ["a", "b", "c"]}, "have no label in common"),
        ({"task": "multilabel"}, "finds any number of classes in an image and colours/1 one class"),
        ({}, "both bundles are colours/1, with equal files"),
    ],
)
def test_bundles_that_cannot_be_compared_are_refused(
    serving: Path, tmp_path: Path, change: dict[str, object], reason: str
) -> None:
    """Before an image is read."""
    other = write_bundle(tmp_path / "other", prediction_sets=False) if change else serving
    change_manifest(other, **change)
    with pytest.raises(BundleError, match=reason):
        match_bundles(read_bundle(other), read_bundle(serving))


def test_answers_that_are_no_numbers_are_refused(serving: Path, tmp_path: Path) -> None:
    """With the image."""
    broken = write_tilted(tmp_path / "models", 2, (0, float("nan"), 0))
    with pytest.raises(
        BundleError, match=r"colours/2 answers NaN or infinity for .*blue/000.png, so it must not serve"
    ):
        compared(broken, serving, write_colours(tmp_path / "photos", 1))


def test_graphs_that_cannot_be_run_are_named_with_their_bundle(serving: Path, tilted: Path, tmp_path: Path) -> None:
    """Which of the two it is; also a variant that only one of them has, and images of which none can be read."""
    photos = write_colours(tmp_path / "photos", 1)
    bundles = read_bundle(tilted), read_bundle(serving)
    nothing = list[int]().append
    with pytest.raises(BundleError, match="colours/2: there is no int8 variant"):
        compare_bundles(
            *bundles, opened(*bundles, photos), Precision.INT8, advance=nothing, on_changed=list[ChangedImage]().append
        )
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "a.png").write_bytes(b"no picture")
    with pytest.raises(DatasetError, match="none of the 1 images without labels of .* can be read"):
        compared(tilted, serving, tmp_path / "none")
    change_manifest(tilted, labels=[*LABELS, "white"])
    with pytest.raises(BundleError, match=r"colours/2/model.onnx returns \(3, 3\) for 3 images of 4 classes"):
        compared(tilted, serving, photos)
    (tilted / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(BundleError, match=r"colours/2/model.onnx cannot be loaded by onnxruntime"):
        compared(tilted, serving, photos)


def test_memory_does_not_grow_with_the_number_of_images(serving: Path, tilted: Path) -> None:
    """All of whose answers change: the peak of 4,096 images is that of 1,024."""

    def peak(count: int) -> int:
        grey = np.full((16, 16, 3), 110, np.uint8)
        grey[..., 1] += 5
        images = ImageSource("pictures", [""] * count, lambda *_: grey.copy())
        bundles = read_bundle(tilted), read_bundle(serving)
        tracemalloc.start()
        found = compare_bundles(*bundles, images, Precision.FP32, advance=lambda _: None, on_changed=lambda _: None)
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert found.changed_images == count
        return used

    peak(256)
    assert peak(4096) < 1.1 * peak(1024)
