"""The tables of `snellen evaluate`."""

from dataclasses import replace

import pytest

from models.contract import Precision, Task
from snellen.evaluation_output import print_evaluation
from training.evaluation.bundle_evaluation import BundleEvaluation, ClassResult, Confusion, VariantResult


def result(classes: int, seen: int) -> BundleEvaluation:
    """Of `classes` classes, the first `seen` of which have images; the first class is taken for the second."""
    return BundleEvaluation(
        bundle="many/1",
        task=Task.SINGLE,
        source="images of photos",
        images=10 * seen,
        skipped=(),
        variants=(VariantResult(Precision.FP32, {"top1": 0.5}, {}, 100.0),),
        classes=tuple(
            ClassResult(
                place, f"class\x1b {place}", 10 if place < seen else 0, {"recall": 0.5 if place < seen else None}
            )
            for place in range(classes)
        ),
        confusions=(Confusion(1, 1, 9), Confusion(0, 1, 4)),
        machine="a processor",
        threads=2,
        batch_size=4,
        hint=None,
    )


@pytest.mark.parametrize(
    ("classes", "seen", "sentence"),
    [
        (1000, 3, "3 classes with images, 997 have none; --all-classes shows all."),
        (1000, 500, "The 20 worst of 500 classes with images, 500 have none; --all-classes shows all."),
        (30, 30, "The 20 worst of 30 classes with images; --all-classes shows all."),
        (20, 20, None),
    ],
)
def test_long_tables_are_cut_and_say_so(
    capsys: pytest.CaptureFixture[str], classes: int, seen: int, sentence: str | None
) -> None:
    """At most 20 classes, and only those with images; all of them on demand."""
    print_evaluation(result(classes, seen), all_classes=False)
    printed = capsys.readouterr().out
    assert ("--all-classes" in printed) == (sentence is not None)
    assert sentence is None or sentence in printed
    assert sum("class\\x1b" in line and "0.5000" in line for line in printed.splitlines()) == min(seen, 20)
    print_evaluation(result(classes, seen), all_classes=True)
    printed = capsys.readouterr().out
    assert f"class\\x1b {classes - 1} " in printed
    assert "--all-classes" not in printed


def test_confusions_are_shares_of_the_true_class(capsys: pytest.CaptureFixture[str]) -> None:
    """Right answers are none; without confusions there is no such table."""
    print_evaluation(result(3, 3), all_classes=False)
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "%" in line)
    assert line.split() == ["0", "class\\x1b", "0", "1", "class\\x1b", "1", "4", "40.0%"]
    print_evaluation(replace(result(3, 3), confusions=()), all_classes=False)
    assert "taken for" not in capsys.readouterr().out
