"""The measurement of counting answers counts them."""

from pathlib import Path

from benchmarks.micro.answer_counting import answers_of, measure
from models.contract import read_bundle
from tests.support.bundles import LABELS, add_baseline, write_bundle


def test_counting_is_measured(tmp_path: Path) -> None:
    """One round is enough here: a time above nothing."""
    assert measure(read_bundle(add_baseline(write_bundle(tmp_path))).manifest, rounds=1) > 0


def test_the_answers_are_of_the_bundle(tmp_path: Path) -> None:
    """All of its classes occur, with probabilities that sum to 1."""
    answers = answers_of(read_bundle(write_bundle(tmp_path)).manifest)
    assert {int(best) for best, _ in answers} == set(range(len(LABELS)))
    assert all(abs(float(row.sum()) - 1) < 1e-5 for _, row in answers)
