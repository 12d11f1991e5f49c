"""Verdicts, from the numbers of a run as data."""

from pathlib import Path

import pytest
import typer

from benchmarks.check import TARGETS, exit_status, judge, main
from benchmarks.harness.results import Results
from tests.benchmarks.samples import whole_run


def verdicts(results: Results) -> dict[str, str]:
    return {judgement.target.name: judgement.verdict for judgement in judge(results)}


def changed(results: Results, workload: str, subject: str, what: str, **values: float) -> Results:
    """A run in which every measurement of one kind has other values."""
    for found in results.measurements:
        if (found.workload, found.subject, found.what) == (workload, subject, what):
            found.values |= values
    return results


def times(results: Results, workload: str, subject: str, what: str, name: str, factor: float) -> Results:
    """A run in which one number is so many times larger, in every turn."""
    for found in results.measurements:
        if (found.workload, found.subject, found.what) == (workload, subject, what) and name in found.values:
            found.values[name] *= factor
    return results


def without(results: Results, workload: str, subject: str) -> Results:
    kept = [found for found in results.measurements if (found.workload, found.subject) != (workload, subject)]
    return results.model_copy(update={"measurements": kept})


def test_a_run_that_is_good_everywhere_holds_everywhere() -> None:
    """One verdict for each target, and exit status 0."""
    judged = verdicts(whole_run())
    assert len(judged) == len(TARGETS)
    assert set(judged.values()) == {"holds"}
    assert exit_status([judgement.verdict for judgement in judge(whole_run())]) == 0


@pytest.mark.parametrize(
    ("workload", "subject", "what", "name", "factor", "target"),
    [
        ("A", "service", "closed", "per_s", 0.94, "A: throughput / ceiling"),
        ("A", "litserve", "closed", "per_s", 1.05, "A: throughput / best peer"),
        ("A-onnxruntime", "service", "closed", "per_s", 1.06, "A: throughput / on ONNX Runtime"),
        ("A", "openvino-2w", "closed", "per_s", 1.26, "A-bf16: throughput / best peer in fp32"),
        ("A-bf16", "machine", "processes", "images_per_s", 1.12, "A-bf16: throughput / ceiling"),
        ("A", "openvino-bf16-2w", "closed", "per_s", 1.1, "A-bf16: throughput / openvino-bf16-2w"),
        ("A-int8", "service", "closed", "per_s", 0.87, "A-int8: throughput / best peer in fp32"),
        ("A-int8", "service", "closed", "per_s", 0.89, "A-int8: throughput / ceiling"),
        ("A-int8", "service", "closed", "per_s", 0.9, "A-int8: throughput / openvino-bf16-2w"),
        ("B", "service", "closed", "per_s", 0.84, "B: throughput / ceiling"),
        ("B", "mosec", "closed", "per_s", 1.8, "B: throughput / mosec"),
        ("C", "naive-2w", "closed", "per_s", 1.3, "C: throughput / best peer"),
        ("A", "service", "closed", "p50_ms", 1.16, "A, one connection: p50 / decode + session"),
        ("A", "naive", "closed", "p50_ms", 0.9, "A, one connection: p50 / naive's"),
        ("A", "service", "open", "good_per_s", 0.94, "A, 2x load: goodput / peak"),
        ("C", "service", "open", "good_per_s", 0.94, "C, 2x load: goodput / peak"),
    ],
)
def test_each_quotient_can_be_missed(
    workload: str, subject: str, what: str, name: str, factor: float, target: str
) -> None:
    """A number just beyond its bound, and nothing else, decides, whatever the machine does from turn to turn."""
    judged = verdicts(times(whole_run(), workload, subject, what, name, factor))
    assert judged[target] == "does not hold"


@pytest.mark.parametrize(
    ("workload", "subject", "what", "values", "target"),
    [
        ("A", "service", "open", {"accepted_p99_ms": 1001.0}, "A, 2x load: p99 of accepted"),
        ("A", "service", "open", {"rss_peak_mib": 451.0}, "A, overload: memory added"),
        ("A", "service", "start", {"seconds": 3.0}, "A: start to ready"),
    ],
)
def test_each_target_can_be_missed(
    workload: str, subject: str, what: str, values: dict[str, float], target: str
) -> None:
    """A number just beyond its bound, and nothing else, decides."""
    judged = verdicts(changed(whole_run(), workload, subject, what, **values))
    assert judged[target] == "does not hold"


def test_a_quotient_is_shown_with_its_quartiles() -> None:
    """Over the turns."""
    results = whole_run()
    slow = [m for m in results.measurements if m.key[:3] == ("A", "service", "closed") and m.turn == 1]
    for found in slow:
        found.values["per_s"] *= 0.9
    judged = {judgement.target.name: judgement for judgement in judge(results)}
    assert judged["A: throughput / ceiling"].cells() == (
        "A: throughput / ceiling",
        "1.00 (0.95-1.00)",
        ">= 0.95",
        "holds",
    )


def test_the_best_peer_is_the_one_with_the_highest_median() -> None:
    """One good turn makes nobody the best."""
    results = whole_run()
    for found in results.measurements:
        if found.key[:3] == ("A", "naive", "closed") and found.turn == 1:
            found.values["per_s"] = 1000.0
    judged = {judgement.target.name: judgement.value for judgement in judge(results)}
    ratio = judged["A: throughput / best peer"]
    assert ratio
    assert ratio.median == pytest.approx(1.25)


def test_goodput_is_not_judged_where_the_generator_takes_the_cores() -> None:
    """The table says so, and it is no gap."""
    judged = list(judge(changed(whole_run(), "B", "service", "open", generator_share=0.2, good_per_s=10.0)))
    cells = {judgement.target.name: judgement.cells() for judgement in judged}
    assert cells["B, 2x load: goodput / peak"][1:] == (
        "0.10 (0.10-0.10)",
        ">= 0.95",
        "not judged: the generator used 20% of the cores",
    )
    assert exit_status([judgement.verdict for judgement in judged]) == 2


def test_a_peer_that_died_early_is_missing() -> None:
    """Of two turns there is no median, so nobody knows whether it was the best."""
    results = whole_run()
    kept = [m for m in results.measurements if not (m.subject == "mosec" and m.workload == "B" and m.turn > 1)]
    judged = verdicts(results.model_copy(update={"measurements": kept}))
    assert judged["B: throughput / mosec"] == "missing"
    assert judged["B: throughput / ceiling"] == "holds"


def test_a_peer_in_bf16_is_not_the_best_peer_in_fp32() -> None:
    """The best peer in fp32 is known without it."""
    judged = verdicts(without(whole_run(), "A", "openvino-bf16-2w"))
    assert judged["A: throughput / best peer"] == judged["A-bf16: throughput / best peer in fp32"] == "holds"
    assert judged["A-bf16: throughput / openvino-bf16-2w"] == "missing"


@pytest.mark.parametrize(("versions", "verdict"), [({}, "holds"), ({"cykooz-resizer": "4.0.1"}, "does not hold")])
def test_bf16_must_be_faster_where_images_are_resized_with_vector_instructions(
    versions: dict[str, str], verdict: str
) -> None:
    """2.3 times the best peer is enough where Pillow resizes alone, and not where the faster package is installed."""
    results = times(whole_run(), "A-bf16", "service", "closed", "per_s", 2.3 / 2.5)
    judged = verdicts(results.model_copy(update={"versions": versions}))
    assert judged["A-bf16: throughput / best peer in fp32"] == verdict


def test_variants_are_not_judged_on_a_processor_without_bf16() -> None:
    """The table says why, whether int8 was measured or not; the other ratios are judged."""
    reason = "this processor has no instructions for bf16"
    judged = verdicts(without(whole_run(), "A-bf16", "service").model_copy(update={"no_bf16": reason}))
    variants = [verdict for name, verdict in judged.items() if name.startswith(("A-bf16", "A-int8"))]
    assert variants == ["not judged"] * 6
    assert set(judged.values()) == {"holds", "not judged"}
    rows = [judgement.cells() for judgement in judge(whole_run().model_copy(update={"no_bf16": reason}))]
    assert [row[3] for row in rows if row[0].startswith("A-bf16")] == [f"not judged: {reason}"] * 3


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
    assert printed.count("holds") == len(TARGETS) - 2
    assert "missing" in printed


def test_a_file_that_is_no_result_is_a_gap(tmp_path: Path) -> None:
    """Not a traceback."""
    with pytest.raises(typer.Exit) as exited:
        main(tmp_path / "nothing.json")
    assert exited.value.exit_code == 2
