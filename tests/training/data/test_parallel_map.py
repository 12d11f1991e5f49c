"""A function applied in threads, with results in order."""

import threading
from itertools import count, islice

import pytest

from training.data.parallel_map import parallel_map


def test_answers_come_in_order_and_not_far_ahead() -> None:
    """However many items there are, few wait."""
    asked = count()
    results = parallel_map(lambda number: number * 2, asked, threads=2)
    assert list(islice(results, 3)) == [0, 2, 4]
    assert next(asked) < 100


def test_an_error_ends_the_threads() -> None:
    """It is raised where the answer is taken."""
    before = threading.active_count()
    with pytest.raises(ZeroDivisionError):
        list(parallel_map(lambda number: 1 // number, [1, 0, 1], threads=2))
    assert threading.active_count() == before
