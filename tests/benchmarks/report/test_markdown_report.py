"""A run as sections of RESULTS.md."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from benchmarks.check import ratio_rows
from benchmarks.load.locust_report import TITLE, replace_section
from benchmarks.report import markdown_report, plots
from tests.benchmarks.samples import whole_run

LOAD = f"{TITLE}\n\nof make load\n"


def section(pictures: Iterable[str] = ()) -> str:
    """Return the section of a whole run with its judged ratios."""
    return markdown_report.section(whole_run(), ratio_rows(whole_run()), pictures)


def test_a_run_is_inserted_before_the_load_test_and_replaced_in_place() -> None:
    """Whatever else the file holds stays."""
    document = f"# Results\n\nwords\n\n{LOAD}"
    once = markdown_report.insert(document, section())
    assert once.startswith("# Results\n\nwords\n\n" + markdown_report.BEGIN)
    assert once.endswith(LOAD)
    assert markdown_report.insert(once, section()) == once


def test_the_load_test_is_still_replaced_by_make_load() -> None:
    """Neither of the two writers disturbs the other."""
    document = markdown_report.insert(f"# Results\n\n{LOAD}", section())
    again = replace_section(document, f"{TITLE}\n\nnew\n")
    assert again == document.replace("of make load", "new")
    assert markdown_report.insert(again, section()) == again


def test_every_work_and_server_has_its_rows() -> None:
    """With the verdicts, and what it was measured with."""
    text = section(["plots/load.svg"])
    assert all(f"### {workload}: the workload {workload}" in text for workload in ("A", "A-int8", "B", "C"))
    assert "| mosec, raw | 72.0, 11.1 / 20.0 | 72.0, 11.1 / 20.0 | 80.0, 10.0 / 20.0 | 200.0 |" in text
    assert "| A: throughput / ceiling | 1.00 (1.00-1.00) | >= 0.95 | holds |" in text
    assert "| mosec | 72.0 (64.0-76.0) | 1.25 (1.25-1.25) | 10.0 | 0.02 |" in text
    assert "| mosec, in fp32 | 72.0 (64.0-76.0) | 2.50 (2.50-2.50) | 10.0 | 0.02 |" in text
    assert "| decode + session | 11.1 (10.6-12.7) | 1.00 (1.00-1.00) | - | - |" in text
    assert "| all processes (cpu, batches of 1), images/s |" in text
    assert "| the network in one thread, images/s | batch 1 |" in text
    assert "| cpu | 125.0 |" in text
    assert "commit abc" in text
    assert "(plots/load.svg)" in text


def test_a_machine_without_bf16_is_named_with_the_reason() -> None:
    """Beside the machine, so that a reader knows why workloads are missing."""
    found = whole_run().model_copy(update={"no_bf16": "this processor has no instructions for bf16"})
    text = markdown_report.section(found, ratio_rows(found))
    assert "- No bf16: this processor has no instructions for bf16" in text
    assert "- No bf16" not in section()


def test_pictures_are_drawn_and_linked(tmp_path: Path) -> None:
    """Where matplotlib is, as requirements/bench.txt brings it."""
    pytest.importorskip("matplotlib")
    page = tmp_path / "RESULTS.md"
    markdown_report.write(whole_run(), ratio_rows(whole_run()), page)
    for name in ("load", "stages", "batches"):
        assert f"(plots/{name}.svg)" in page.read_text()
        assert (tmp_path / "plots" / f"{name}.svg").read_text().startswith("<?xml")


def test_the_same_numbers_draw_the_same_pictures(tmp_path: Path) -> None:
    """So that only what changed is a change in git."""
    pytest.importorskip("matplotlib")
    paths = [plots.draw(whole_run(), tmp_path / name / "plots") for name in ("one", "two")]
    assert paths[0] == paths[1]
    for path in paths[0]:
        assert (tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes()
