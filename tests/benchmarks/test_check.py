"""Verdicts, from the numbers of a run as data."""

from pathlib import Path

import pytest
import typer

from benchmarks.check import TARGETS, exit_status, judge, main
from benchmarks.results import Results
from tests.benchmarks.samples import whole_run


def verdicts(results: Results) -> dict[str, str]:
    return {judgement.target.name: judgement.verdict for judgement in judge(results)}


def changed(results: Results, work: str, subject: str, what: str, **values: float) -> Results:
    """A run in which every measurement of one kind has other values."""
    for found in results.measurements:
        if (found.work, found.subject, found.what) == (work, subject, what):
            found.values |= values
    return results


def without(results: Results, work: str, subject: str) -> Results:
    kept = [found for found in results.measurements if (found.work, found.subject) != (work, subject)]
    return results.model_copy(update={"measurements": kept})


def test_a_run_that_is_good_everywhere_holds_everywhere() -> None:
    """One verdict for each target, and exit status 0."""
    judged = verdicts(whole_run())
    assert len(judged) == len(TARGETS)
    assert set(judged.values()) == {"holds"}
    assert exit_status([judgement.verdict for judgement in judge(whole_run())]) == 0


@pytest.mark.parametrize(
    ("work", "subject", "what", "values", "target"),
    [
        ("A", "service", "closed", {"per_s": 94.0}, "A: throughput / ceiling"),
        ("A", "litserve", "closed", {"per_s": 84.0}, "A: throughput / best peer"),
        ("A-int8", "service", "closed", {"per_s": 159.0}, "A-int8: throughput / best peer in fp32"),
        ("B", "service", "closed", {"per_s": 760.0}, "B: throughput / ceiling"),
        ("B", "mosec", "closed", {"per_s": 900.0}, "B: throughput / mosec"),
        ("C", "naive-2w", "closed", {"per_s": 13.0}, "C: throughput / best peer"),
        ("A", "service", "closed", {"p50_ms": 11.6}, "A, one connection: p50 / decode + session"),
        ("A", "naive", "closed", {"p50_ms": 9.0}, "A, one connection: p50 / naive's"),
        ("A", "service", "open", {"good_per_s": 94.0}, "A, 2x load: goodput / peak"),
        ("A", "service", "open", {"accepted_p99_ms": 1001.0}, "A, 2x load: p99 of accepted"),
        ("A", "service", "open", {"rss_peak_mib": 451.0}, "A, overload: memory added"),
        ("A", "service", "start", {"seconds": 3.0}, "A: start to ready"),
    ],
)
def test_each_target_can_be_missed(work: str, subject: str, what: str, values: dict[str, float], target: str) -> None:
    """A number just beyond its bound, and nothing else, decides."""
    judged = verdicts(changed(whole_run(), work, subject, what, **values))
    assert judged[target] == "does not hold"


def test_the_best_of_some_peers_proves_nothing() -> None:
    """A peer that was not measured might have been the best one."""
    judged = verdicts(without(whole_run(), "A", "litserve"))
    assert judged["A: throughput / best peer"] == judged["A-int8: throughput / best peer in fp32"] == "missing"
    assert judged["A: throughput / ceiling"] == "holds"


def test_the_exit_status_tells_a_failure_from_a_gap() -> None:
    """A failure is the graver of the two."""
    assert exit_status(["holds", "missing"]) == 2
    assert exit_status(["missing", "does not hold"]) == 1


def test_the_command_prints_every_ratio(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With value, target and verdict."""
    path = tmp_path / "results.json"
    without(whole_run(), "C", "service").write(path)
    with pytest.raises(typer.Exit) as exited:
        main(path)
    printed = capsys.readouterr().out
    assert exited.value.exit_code == 2
    assert printed.count("holds") == len(TARGETS) - 1
    assert "missing" in printed


def test_a_file_that_is_no_result_is_a_gap(tmp_path: Path) -> None:
    """Not a traceback."""
    with pytest.raises(typer.Exit) as exited:
        main(tmp_path / "nothing.json")
    assert exited.value.exit_code == 2
