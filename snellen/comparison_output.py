"""Output of `snellen evaluate --against`: tables and a verdict for people, JSON and CSV for programs."""

import csv
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from snellen.output import printable

if TYPE_CHECKING:
    from training.evaluation.bundle_comparison import Accuracies, Answer, BundleComparison, ChangedImage, OnChanged

_PLAIN_WIDTH = 160
_CLASSES = 10
"""Classes that are shown of those that one bundle gets right more often."""
_LABELS = 5
"""Labels that a sentence names of those that one bundle lacks."""
_COLUMNS = (
    *("path", "distance"),
    *("new_label", "new_probability", "new_present"),
    *("serving_label", "serving_probability", "serving_present"),
    *("differing_classes", "true_label"),
)


def print_comparison(result: "BundleComparison") -> None:
    """Print figures, changed images and the verdict on standard output."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_PLAIN_WIDTH, no_color=True)
    precision = "" if result.precision.value == "fp32" else f"; both bundles in {result.precision.value}"
    _print_line(console, f"{result.new} (new) against {result.serving} (serving) on {result.images:,} {result.source}")
    _print_line(console, f"{_label_note(result)}{precision}.")
    console.print(_figures(result))
    if result.accuracy:
        console.print(_accuracies(result, result.accuracy))
        _print_line(console, _difference(result, result.accuracy))
    if result.classes:
        console.print(_classes(result))
    if result.changed:
        console.print(_changed(result))
        if (count := len(result.changed)) < result.changed_images:
            _print_line(
                console,
                f"The {count} of {result.changed_images:,} changed images with the largest distance; "
                "--changed FILE writes all.",
            )
    _print_line(console, _verdict(result))
    _print_line(console, _next_command(result))


def as_json(result: "BundleComparison") -> str:
    """Return one JSON object with all figures and the changed images that are shown."""
    return json.dumps(asdict(result), indent=2, ensure_ascii=False)


@contextmanager
def changed_images_file(path: Path | None) -> "Iterator[OnChanged]":
    """Yield the function that writes a changed image as a line of a CSV table; without a path it does nothing.

    The file appears at the end of the block, whole, and not at all after an exception. Raises OSError.
    """
    if path is None:
        yield lambda changed: None
        return
    with NamedTemporaryFile(
        "w", encoding="utf-8", newline="", dir=path.absolute().parent, prefix=f".{path.name}.", delete=False
    ) as stream:
        try:
            writer = csv.writer(stream)
            writer.writerow(_COLUMNS)
            yield lambda changed: writer.writerow(_csv_values(changed))
            stream.flush()
            os.chmod(stream.name, 0o666 & ~_umask())
            os.replace(stream.name, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(stream.name)
            raise


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _csv_values(changed: "ChangedImage") -> tuple[object, ...]:
    def values(answer: "Answer") -> tuple[object, ...]:
        present = "" if answer.present is None else str(answer.present).lower()
        return answer.label, f"{answer.probability:.6f}", present

    return (
        changed.file,
        f"{changed.distance:.6f}",
        *values(changed.new),
        *values(changed.serving),
        changed.differing,
        "" if changed.true is None else "|".join(changed.true),
    )


def _label_note(result: "BundleComparison") -> str:
    """Return a sentence on how the classes of the two bundles are matched, without its full stop."""
    order = ", which are in another order" if result.reordered else ""
    text = f"Classes are matched by label: {result.shared_labels:,} are in both{order}"
    for name, labels in ((result.new, result.only_new), (result.serving, result.only_serving)):
        if labels:
            more = f" and {len(labels) - _LABELS:,} more" if len(labels) > _LABELS else ""
            text += f"; only {name} has {', '.join(labels[:_LABELS])}{more}"
    if not (result.only_new or result.only_serving):
        return text
    return f"{text}; {_MISSING[result.task.value]}"


_MISSING = {
    "single": "a class that a bundle lacks has probability 0 in it",
    "multilabel": "only the classes of both are compared",
}


def _figures(result: "BundleComparison") -> Table:
    several = result.task.value == "multilabel"
    interval = f"95 % interval {result.agreement_low:.2%} to {result.agreement_high:.2%}"
    table = _table(("", "", ""))
    table.show_header = False
    table.add_row("same classes" if several else "same class", f"{result.agreement:.2%}", f"of images, {interval}")
    table.add_row("changed images", f"{result.changed_images:,}", f"of {result.images:,}")
    kind = "largest difference of a probability" if several else "total variation of the probabilities"
    table.add_row("distance, mean", f"{result.mean_distance:.4f}", kind)
    where = f"at {result.max_distance_file}" if result.max_distance else ""
    table.add_row("distance, largest", f"{result.max_distance:.4f}", Text(printable(where)))
    return table


def _accuracies(result: "BundleComparison", found: "Accuracies") -> Table:
    title = "all classes right" if result.task.value == "multilabel" else "accuracy"
    table = _table(("",), (f"{result.new} (new)", f"{result.serving} (serving)"))
    table.add_row(title, f"{found.new:.4f}", f"{found.serving:.4f}")
    table.add_row("only this one right", f"{found.only_new:,}", f"{found.only_serving:,}")
    if found.unknown_to_new or found.unknown_to_serving:
        table.add_row("images of classes it lacks", f"{found.unknown_to_new:,}", f"{found.unknown_to_serving:,}")
    return table


def _classes(result: "BundleComparison") -> Table:
    """Return the table of the classes in which the accuracies differ most."""
    table = _table(("class whose accuracy changed most",), ("images", f"{result.new}", f"{result.serving}"))
    for each in result.classes[:_CLASSES]:
        shares = (f"{right / each.images:.4f}" for right in (each.new, each.serving))
        table.add_row(Text(printable(each.label)), f"{each.images:,}", *shares)
    return table


def _difference(result: "BundleComparison", found: "Accuracies") -> str:
    """Return a sentence on the difference of the two accuracies."""
    low, high = _points(found.difference_low), _points(found.difference_high)
    return (
        f"Accuracy of {result.new} minus that of {result.serving}: {_points(found.new - found.serving)} percentage "
        f"points (95 % interval {low} to {high})."
    )


def _changed(result: "BundleComparison") -> Table:
    true = ("true class",) if result.accuracy else ()
    table = _table(("image", result.new, result.serving, *true), ("distance",))
    for each in result.changed:
        more = f", and {each.differing - 1} more" if each.differing > 1 else ""
        table.add_row(
            Text(printable(each.file)),
            Text(printable(_answer(each.new) + more)),
            Text(printable(_answer(each.serving))),
            *([] if each.true is None else [Text(printable(", ".join(each.true) or "none"))]),
            f"{each.distance:.4f}",
        )
    return table


def _answer(answer: "Answer") -> str:
    present = {None: "", True: " present", False: " absent"}[answer.present]
    return f"{answer.label} {answer.probability:.4f}{present}"


def _verdict(result: "BundleComparison") -> str:
    """Return one sentence that judges the new bundle."""
    new, serving, found = result.new, result.serving, result.accuracy
    if not result.changed_images:
        return f"{new} finds the same classes as {serving} in all of these images."
    if found is None:
        return (
            f"{new} and {serving} answer differently for {_images(result.changed_images)}; the images have no labels, "
            "so look at the changed ones to judge which answers are right."
        )
    if not found.only_new + found.only_serving:
        return f"{new} and {serving} are right on the same images, so these do not tell which is better."
    counts = (
        f"{new} is right on {_images(found.only_new)} that {serving} gets wrong, and wrong on "
        f"{_images(found.only_serving)} that {serving} gets right"
    )
    chance = (
        f"if both were equally good, counts this unequal would come about with a probability of {_probability(found)} "
        "(exact McNemar test)"
    )
    conclusions = {
        "better": f"so {new} is better on these images",
        "worse": f"so {new} is worse on these images",
        "undecided": "so these images do not tell which is better",
    }
    return f"{counts}; {chance}, {conclusions[result.verdict.value]}."


def _next_command(result: "BundleComparison") -> str:
    """Return the command to type next."""
    if result.verdict.value == "worse":
        return f"Keep {result.serving} as default with: snellen models default {result.serving.replace('/', ' ')}"
    more = "Measure on more images, or make" if result.verdict.value == "undecided" else "Make"
    return f"{more} {result.new} default with: snellen models default {result.new.replace('/', ' ')}"


def _images(count: int) -> str:
    return f"{count:,} {'image' if count == 1 else 'images'}"


def _probability(found: "Accuracies") -> str:
    return f"{found.p_value:.3f}" if found.p_value >= 0.001 else "less than 0.001"


def _points(share: float) -> str:
    """Return percentage points with their sign."""
    return f"{100 * share:+.2f}"


def _table(texts: Sequence[str], numbers: Sequence[str] = ()) -> Table:
    columns = (Column(name, justify="right", no_wrap=True) for name in numbers)
    return Table(*(Column(name, overflow="fold") for name in texts), *columns, box=box.SIMPLE)


def _print_line(console: Console, line: str) -> None:
    console.print(Text(printable(line)), soft_wrap=True)
