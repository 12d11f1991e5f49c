"""What is counted and printed about a fault."""

from collections import Counter

from benchmarks.scenarios.faults import FAULTS, ClientCounts, row


def test_the_longest_gap_is_between_consecutive_good_answers() -> None:
    """Answers of several clients arrive out of order."""
    assert ClientCounts(good_at=[3.0, 1.0, 1.5]).longest_gap_s == 1.5
    assert ClientCounts(good_at=[1.0]).longest_gap_s == 0.0


def test_a_row_names_other_answers_by_status() -> None:
    """Only the answers of status 200 have a column of their own."""
    counts = ClientCounts(statuses=Counter({200: 10, 503: 2}), lost=1, good_at=[1.0, 1.25])
    text = row("worker-killed", FAULTS["worker-killed"], counts)
    assert text == "| `worker-killed` | a decode worker is killed | 10 | 1 | 2 x 503 | 0.25 |"


def test_a_fault_that_ends_the_service_has_no_gap() -> None:
    """There are no answers after it."""
    assert row("drain", FAULTS["drain"], ClientCounts(good_at=[1.0, 9.0])).endswith("| 0 | 0 | - | - |")
