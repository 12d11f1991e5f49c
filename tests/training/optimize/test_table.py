"""The table of `snellen optimize`."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from models.contract import Agreement, Precision, Scores, Speed
from tests.training.optimize.conftest import ALL
from training.optimize.result import MeasuredVariant, OptimizeResult
from training.optimize.table import as_json, print_table

SPEED = Speed(machine="A processor", threads=1, batch_size=16, images_per_s=1234.4, ratio=1)
FP32 = MeasuredVariant(
    Precision.FP32, Scores(measured=True, source="none", images=80, top1=0.95), None, SPEED, 4_000_000, 3_000_000
)
INT8 = replace(
    FP32,
    precision=Precision.INT8,
    agreement=Agreement(source="none", images=80, top1=0.975, mean_distance=0.0125, max_distance=0.25),
    speed=SPEED.model_copy(update={"ratio": 1.5}),
    verdict="admitted",
    pareto=True,
)
RESULT = OptimizeResult((FP32, INT8), {Precision.PRUNED: "no [training] images"}, 0.5, "test set")


def printed(result: OptimizeResult) -> str:
    console = Console(file=io.StringIO())
    print_table(result, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_table_has_every_row(optimized: tuple[Path, OptimizeResult], capsys: pytest.CaptureFixture[str]) -> None:
    """As text for a log, and as JSON."""
    print_table(optimized[1])
    printed = capsys.readouterr().out
    assert all(f"\n  {name} " in printed for name in ("fp32", "int8", "fp16", "pruned"))
    assert "\x1b" not in printed
    assert [row["precision"] for row in json.loads(as_json(optimized[1]))["rows"]] == ["fp32", *ALL]


def test_a_row_has_percentages_distances_and_megabytes() -> None:
    """Numbers that fp32 does not have are empty."""
    lines = [line.split() for line in printed(RESULT).splitlines()]
    assert ["fp32", "95.00", "87.8", "to", "98.0", "4.00", "3.00", "1234", "1.00", "reference"] in lines
    assert [
        "int8",
        "95.00",
        "87.8",
        "to",
        "98.0",
        "97.50",
        "0.0125",
        "/",
        "0.25",
        "4.00",
        "3.00",
        "1234",
        "1.50",
        "*",
        "admitted",
    ] in lines


def test_no_number_is_cut_off_on_a_narrow_terminal() -> None:
    """The terminal wraps the lines instead."""
    console = Console(file=io.StringIO(), width=60, force_terminal=True, no_color=True)
    print_table(RESULT, console)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "0.0125 / 0.25" in text
    assert "images/s" in text
    assert "1234" in text


def test_a_skipped_variant_has_its_reason_and_the_rule_is_below() -> None:
    """Brackets of a reason are text, not markup."""
    text = printed(RESULT)
    assert "skipped: no [training] images" in text
    assert "Images: 80, test set." in text
    assert "at most 0.5 points below fp32" in text
    assert "Pareto front (*) of top-1, speed, size: int8." in text
