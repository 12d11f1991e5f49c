"""Batches ahead of the one that is written next."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from snellen.bulk.ahead import Batch, ReadAhead, in_order
from snellen.bulk.sources import Entry, Kind

ENTRY = Entry(Kind.FILE, "a", "a")


class Ahead:
    """Makes batches of 8 images and notes how far it is ahead of what was yielded."""

    def __init__(self, count: int, size: int) -> None:
        self.count, self.size = count, size
        self.made = self.yielded = self.most = 0

    def batches(self) -> Iterator[Batch]:
        for part in range(self.count):
            self.most = max(self.most, self.made - self.yielded)
            self.made += 1
            yield Batch(part, [ENTRY] * 8, None, self.size)

    def run(self, limits: ReadAhead) -> list[int]:
        found = []
        with ThreadPoolExecutor(4) as pool:
            for batch, result in in_order(self.batches(), lambda batch: batch.part, pool, limits):
                assert batch.part == result
                self.yielded += 1
                found.append(result)
        return found


@pytest.mark.parametrize(
    ("limits", "batches"),
    [
        (ReadAhead(bytes=4_500, images=10_000, batches=1_000), 4),
        (ReadAhead(bytes=1 << 30, images=60, batches=1_000), 7),
        (ReadAhead(bytes=1 << 30, images=10_000, batches=5), 5),
        (ReadAhead(bytes=10, images=1, batches=1), 1),
    ],
    ids=["bytes", "images", "batches", "one is always read"],
)
def test_each_limit_is_reached_and_kept(limits: ReadAhead, batches: int) -> None:
    """Results are in order all the same."""
    ahead = Ahead(40, size=1000)
    assert ahead.run(limits) == [*range(40)]
    assert ahead.most == batches


def test_an_error_of_a_batch_ends_the_run_at_that_batch() -> None:
    """Those before it are yielded."""

    def work(batch: Batch) -> int:
        if batch.part == 3:
            raise ValueError
        return batch.part

    with ThreadPoolExecutor(2) as pool:
        results = in_order(Ahead(10, 1).batches(), work, pool, ReadAhead())
        assert [next(results)[1] for _ in range(3)] == [0, 1, 2]
        with pytest.raises(ValueError):  # noqa: PT011
            next(results)
