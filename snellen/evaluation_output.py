"""Output of `snellen evaluate`: tables for people, JSON and CSV for programs."""

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from snellen.output import printable

if TYPE_CHECKING:
    from training.evaluation.bundle_evaluation import BundleEvaluation, ClassResult

_CLASSES, _CONFUSIONS = 20, 10
"""Rows that are shown of long tables."""
_PLAIN_WIDTH = 160
_TITLES = {
    "top1": "top-1",
    "top5": "top-5",
    "nll": "NLL",
    "ece": "ECE",
    "adaptive_ece": "adaptive ECE",
    "mean_average_precision": "mean AP",
    "macro_f1": "mean F1",
    "micro_f1": "F1 of all",
    "exact_match": "all classes right",
    "f1": "F1",
    "average_precision": "AP",
}
"""Headings of scores; others have their name."""
_AGREEMENT = {"same": "same as fp32", "mean_distance": "distance, mean", "max_distance": "distance, largest"}
"""Headings of the comparison with fp32."""


def print_evaluation(result: "BundleEvaluation", *, all_classes: bool) -> None:
    """Print the tables of variants, classes and confusions on standard output."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_PLAIN_WIDTH, no_color=True)
    _print_line(console, f"{result.bundle} on {result.images:,} {result.source}, which must not have been trained on")
    console.print(_variants(result))
    _print_line(
        console,
        f"Images/s: on {result.machine}, {result.threads} threads, batches of {result.batch_size}, the network alone, "
        "without decoding and HTTP.",
    )
    seen = [each for each in result.classes if each.images]
    shown = list(result.classes) if all_classes else seen[:_CLASSES]
    console.print(_classes(shown))
    if len(shown) < len(result.classes):
        _print_line(console, _left_out(len(shown), len(seen), len(result.classes)))
    if confusions := _confusions(result):
        console.print(confusions)
    if result.hint:
        _print_line(console, f"{result.hint}.")


def as_json(result: "BundleEvaluation") -> str:
    """Return one JSON object with all figures, the whole confusion matrix as its cells that are not 0."""
    return json.dumps(asdict(result), indent=2, ensure_ascii=False)


def write_confusion(result: "BundleEvaluation", path: Path) -> None:
    """Write a CSV table with one line for each cell of the confusion matrix that is not 0."""
    labels = {each.class_id: each.label for each in result.classes}
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("true_class_id", "true_label", "predicted_class_id", "predicted_label", "images"))
        for cell in sorted(result.confusions, key=lambda each: (each.true, each.predicted)):
            writer.writerow((cell.true, labels[cell.true], cell.predicted, labels[cell.predicted], cell.images))


def _variants(result: "BundleEvaluation") -> Table:
    """Return one column for each variant, so that the table fits a narrow terminal."""
    table = _table(("",), [each.precision.value for each in result.variants])
    for name in result.variants[0].scores:
        table.add_row(_TITLES.get(name, name), *(f"{each.scores[name]:.4f}" for each in result.variants))
    if len(result.variants) > 1:
        for name, title in _AGREEMENT.items():
            found = (each.agreement.get(name) for each in result.variants)
            table.add_row(title, *("" if value is None else f"{value:.4f}" for value in found))
    table.add_row("images/s", *(f"{each.images_per_s:,.0f}" for each in result.variants))
    return table


def _left_out(shown: int, seen: int, classes: int) -> str:
    """Return a sentence on the classes that the table leaves out."""
    worst = f"The {shown} worst of {seen:,} classes with images" if shown < seen else f"{seen:,} classes with images"
    empty = f", {classes - seen:,} have none" if seen < classes else ""
    return f"{worst}{empty}; --all-classes shows all."


def _classes(classes: "Sequence[ClassResult]") -> Table:
    scores = list(classes[0].scores)
    table = _table(("class", "label"), ("images", *(_TITLES.get(name, name) for name in scores)))
    for each in classes:
        values = (each.scores[name] for name in scores)
        table.add_row(
            str(each.class_id),
            Text(printable(each.label)),
            f"{each.images:,}",
            *("" if value is None else f"{value:.4f}" for value in values),
        )
    return table


def _confusions(result: "BundleEvaluation") -> Table | None:
    """Return the table of the most frequent confusions; None without any."""
    wrong = [cell for cell in result.confusions if cell.true != cell.predicted]
    if not wrong:
        return None
    classes = {each.class_id: each for each in result.classes}
    table = _table(("true class", "taken for"), ("images", "of the class"))
    for cell in wrong[:_CONFUSIONS]:
        names = (Text(printable(f"{place} {classes[place].label}")) for place in (cell.true, cell.predicted))
        table.add_row(*names, f"{cell.images:,}", f"{cell.images / classes[cell.true].images:.1%}")
    return table


def _table(texts: Sequence[str], numbers: Sequence[str]) -> Table:
    columns = (Column(name, justify="right", no_wrap=True) for name in numbers)
    return Table(*(Column(name, overflow="fold") for name in texts), *columns, box=box.SIMPLE)


def _print_line(console: Console, line: str) -> None:
    console.print(Text(printable(line)), soft_wrap=True)
