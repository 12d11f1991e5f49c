"""The table of `snellen optimize`, for people and as JSON."""

import json
from dataclasses import asdict

from rich import box
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from models.contract import Agreement, Scores
from training.evaluation.metrics import accuracy_interval
from training.optimize.accuracy_budget import budget_rule
from training.optimize.result import MeasuredVariant, OptimizeResult

_PLAIN_WIDTH = 200
_LEAST_WIDTH = 150
"""Characters of a line below which numbers would be cut off; a narrower terminal wraps the lines."""
_NUMBERS = (
    "top-1",
    "95 % interval",
    "agreement",
    "distance",
    "ECE",
    "NLL",
    "MB",
    "gzip MB",
    "images/s",
    "x fp32",
    "library",
)


def print_table(outcome: OptimizeResult, console: Console | None = None) -> None:
    """Print the table with rules and colours on a terminal, as plain aligned text elsewhere."""
    console = console or Console()
    if not console.is_terminal:
        console = Console(file=console.file, width=_PLAIN_WIDTH, no_color=True)
    console.width = max(console.width, _LEAST_WIDTH)
    numbers = (Column(name, justify="right", no_wrap=True) for name in _NUMBERS)
    table = Table("variant", *numbers, "Pareto", Column("verdict", overflow="fold"), box=box.SIMPLE)
    for row in outcome.rows:
        style = {"reference": "", "admitted": "green"}.get(row.verdict, "red")
        table.add_row(row.precision.value, *_numbers(row), "*" if row.pareto else "", Text(row.verdict, style))
    for precision, reason in outcome.skipped.items():
        table.add_row(precision.value, *[""] * len(_NUMBERS), "", Text(f"skipped: {reason}", "yellow"))
    console.print(table)
    for line in _footnotes(outcome):
        console.print(line, highlight=False, soft_wrap=True)


def as_json(outcome: OptimizeResult) -> str:
    """Return one JSON object: source, budget, rows and skipped variants."""
    rows = [
        asdict(row)
        | {"metrics": row.metrics.model_dump(), "speed": row.speed.model_dump()}
        | {"agreement": row.agreement and row.agreement.model_dump()}
        for row in outcome.rows
    ]
    whole = {"source": outcome.source, "budget": outcome.budget, "rows": rows, "skipped": outcome.skipped}
    return json.dumps(whole, indent=2)


def _numbers(row: MeasuredVariant) -> list[str]:
    metrics, agreement, speed = row.metrics, row.agreement, row.speed
    return [
        _percent(metrics.top1),
        _interval(metrics),
        _agreement(agreement),
        "" if agreement is None else f"{agreement.mean_distance:.4f} / {agreement.max_distance:.2f}",
        _number(metrics.ece, ".4f"),
        _number(metrics.nll, ".4f"),
        f"{row.size_bytes / 1e6:.2f}",
        f"{row.gzip_bytes / 1e6:.2f}",
        f"{speed.images_per_s:.0f}",
        f"{speed.ratio:.2f}",
        speed.library or "",
    ]


def _footnotes(outcome: OptimizeResult) -> list[str]:
    reference = outcome.rows[0]
    speed, labelled = reference.speed, reference.metrics.top1 is not None
    front = ", ".join(row.precision.value for row in outcome.rows if row.pareto)
    quality = "top-1" if labelled else "agreement"
    return [
        f"Images: {reference.metrics.images:,}, {outcome.source}.",
        f"Admitted: {budget_rule(outcome.budget, labelled=labelled)}.",
        f"Speed: {speed.machine}, {speed.threads} thread, batches of {speed.batch_size}, by turns with fp32; of "
        "the installed libraries the faster one for each, fp32 too.",
        f"Distance: total variation from fp32's probabilities, mean / largest. Pareto front (*) of {quality}, speed, "
        f"size: {front}.",
    ]


def _interval(metrics: Scores) -> str:
    if metrics.top1 is None or metrics.images is None:
        return ""
    low, high = accuracy_interval(metrics.top1, metrics.images)
    return f"{low * 100:.1f} to {high * 100:.1f}"


def _agreement(agreement: Agreement | None) -> str:
    if agreement is None or agreement.interval is None:
        return _percent(None if agreement is None else agreement.top1)
    low, high = agreement.interval
    return f"{agreement.top1 * 100:.2f} ({low * 100:.1f} to {high * 100:.1f})"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share * 100:.2f}"


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
