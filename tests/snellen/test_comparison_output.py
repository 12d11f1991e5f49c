"""The output of `snellen evaluate --against`."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from models.contract import Precision, Task
from snellen.comparison_output import as_json, changed_images_file, print_comparison
from training.evaluation.bundle_comparison import (
    Accuracies,
    Answer,
    BundleComparison,
    ChangedImage,
    ClassAccuracies,
    Verdict,
)

CHANGED = ChangedImage("a\x1b.png", 0.5, Answer("cat", 0.75, None), Answer("dog", 0.5, None), 1, ("cat",))
ACCURACY = Accuracies(
    new=0.9,
    serving=0.8,
    both=75,
    only_new=15,
    only_serving=5,
    neither=5,
    difference_low=0.013,
    difference_high=0.187,
    p_value=0.041,
    unknown_to_new=0,
    unknown_to_serving=0,
)
RESULT = BundleComparison(
    new="pets/2",
    serving="pets/1",
    task=Task.SINGLE,
    precision=Precision.FP32,
    source="images of photos",
    images=100,
    skipped=(),
    shared_labels=2,
    only_new=(),
    only_serving=(),
    reordered=False,
    agreement=0.7,
    agreement_low=0.6,
    agreement_high=0.8,
    mean_distance=0.1,
    max_distance=0.5,
    max_distance_file="a\x1b.png",
    changed_images=30,
    changed=(CHANGED,),
    accuracy=ACCURACY,
    classes=(ClassAccuracies("cat", 50, 40, 20), ClassAccuracies("dog", 50, 40, 45)),
    verdict=Verdict.BETTER,
)


def printed(capsys: pytest.CaptureFixture[str], result: BundleComparison) -> list[str]:
    print_comparison(result)
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines() if line.strip()]


def test_a_better_version_is_made_default(capsys: pytest.CaptureFixture[str]) -> None:
    """The figures, the changed images, one sentence and the next command; control characters are escaped."""
    lines = printed(capsys, RESULT)
    assert "same class 70.00% of images, 95 % interval 60.00% to 80.00%" in lines
    assert "distance, largest 0.5000 at a\\x1b.png" in lines
    assert "only this one right 15 5" in lines
    assert "Accuracy of pets/2 minus that of pets/1: +10.00 percentage points (95 % interval +1.30 to +18.70)." in lines
    assert lines[lines.index("cat 50 0.8000 0.4000") + 1] == "dog 50 0.8000 0.9000"
    assert "a\\x1b.png cat 0.7500 dog 0.5000 cat 0.5000" in lines
    assert "The 1 of 30 changed images with the largest distance; --changed FILE writes all." in lines
    assert lines[-2:] == [
        "pets/2 is right on 15 images that pets/1 gets wrong, and wrong on 5 images that pets/1 gets right; if both "
        "were equally good, counts this unequal would come about with a probability of 0.041 (exact McNemar test), so "
        "pets/2 is better on these images.",
        "Make pets/2 default with: snellen models default pets 2",
    ]


@pytest.mark.parametrize(
    ("accuracy", "verdict", "sentence", "command"),
    [
        (
            replace(ACCURACY, only_new=1, only_serving=30, p_value=1e-9),
            Verdict.WORSE,
            "with a probability of less than 0.001 (exact McNemar test), so pets/2 is worse on these images.",
            "Keep pets/1 as default with: snellen models default pets 1",
        ),
        (
            replace(ACCURACY, only_new=1, only_serving=0, p_value=1.0),
            Verdict.UNDECIDED,
            "so these images do not tell which is better.",
            "Measure on more images, or make pets/2 default with: snellen models default pets 2",
        ),
        (
            replace(ACCURACY, only_new=0, only_serving=0, p_value=1.0),
            Verdict.UNDECIDED,
            "pets/2 and pets/1 are right on the same images, so these do not tell which is better.",
            "Measure on more images, or make pets/2 default with: snellen models default pets 2",
        ),
        (
            None,
            Verdict.UNLABELLED,
            "pets/2 and pets/1 answer differently for 30 images; the images have no labels, so look at the changed "
            "ones to judge which answers are right.",
            "Make pets/2 default with: snellen models default pets 2",
        ),
    ],
)
def test_each_verdict_is_a_sentence_with_a_command(
    capsys: pytest.CaptureFixture[str], accuracy: Accuracies | None, verdict: Verdict, sentence: str, command: str
) -> None:
    """A worse version does not become default."""
    lines = printed(capsys, replace(RESULT, accuracy=accuracy, verdict=verdict))
    assert lines[-2].endswith(sentence)
    assert lines[-1] == command


def test_equal_answers_are_said_in_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a table of changed images."""
    equal = replace(RESULT, verdict=Verdict.UNDECIDED, changed=(), changed_images=0, classes=(), max_distance=0.0)
    lines = printed(capsys, equal)
    assert lines[-2] == "pets/2 finds the same classes as pets/1 in all of these images."
    assert "distance, largest 0.0000" in lines
    assert not any("cat" in line for line in lines)


def test_classes_that_one_bundle_lacks_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    """The first ones, with what they count as, and how many images are of them."""
    result = replace(
        RESULT,
        reordered=True,
        only_new=tuple("abcdefg"),
        only_serving=("x",),
        accuracy=replace(ACCURACY, unknown_to_serving=9),
    )
    lines = printed(capsys, result)
    assert lines[1] == (
        "Classes are matched by label: 2 are in both, which are in another order; only pets/2 has a, b, c, d, e and 2 "
        "more; only pets/1 has x; a class that a bundle lacks has probability 0 in it."
    )
    assert "images of classes it lacks 0 9" in lines
    lines = printed(capsys, replace(result, task=Task.MULTILABEL, precision=Precision.INT8))
    assert lines[1].endswith("; only the classes of both are compared; both bundles in int8.")


def test_several_classes_are_present_or_absent(capsys: pytest.CaptureFixture[str]) -> None:
    """The class that changes most is shown, with the number of the others; an image may have no true class."""
    changed = ChangedImage("b.png", 0.5, Answer("cat", 0.75, True), Answer("cat", 0.25, False), 3, ())
    lines = printed(capsys, replace(RESULT, task=Task.MULTILABEL, changed=(changed,)))
    assert "b.png cat 0.7500 present, and 2 more cat 0.2500 absent none 0.5000" in lines
    assert any(line.startswith("same classes 70.00%") for line in lines)


def test_json_holds_all_figures() -> None:
    """With names as in the result."""
    figures = json.loads(as_json(RESULT))
    assert (figures["verdict"], figures["accuracy"]["only_new"]) == ("better", 15)
    assert figures["changed"][0]["new"] == {"label": "cat", "probability": 0.75, "present": None}


def test_the_file_of_changed_images_is_whole_or_not_there(tmp_path: Path) -> None:
    """An earlier one stays after an exception."""
    path = tmp_path / "changed.csv"
    several = replace(CHANGED, new=Answer("a,b", 0.5, True), serving=Answer("a,b", 0.25, False), true=("x", "y"))
    with changed_images_file(path) as on_changed:
        on_changed(several)
        on_changed(replace(CHANGED, true=None))
        assert not path.exists()
    with path.open(encoding="utf-8", newline="") as stream:
        first, second = csv.DictReader(stream)
    assert (first["new_label"], first["new_present"], first["serving_present"]) == ("a,b", "true", "false")
    assert (first["true_label"], second["true_label"], second["new_present"]) == ("x|y", "", "")
    before = path.read_bytes()
    with pytest.raises(KeyboardInterrupt), changed_images_file(path) as on_changed:
        on_changed(CHANGED)
        raise KeyboardInterrupt
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (before, [path])
    with changed_images_file(None) as on_changed:
        on_changed(CHANGED)
