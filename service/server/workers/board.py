"""Where fronts write what they are busy with, for the others: shared memory, and a bell for each of them."""

import asyncio
import contextlib
import mmap
import os
from collections.abc import Callable, Sequence

_URGENT, _URGENT_AT, _BULK, _WAITS = range(4)  # see occupancy.Neighbours; nanoseconds; 1 where bulk work waits
_FIELDS = 4  # of each front, int64, written by that front alone
MOST_FRONTS = 16
"""With more, each counts for itself: all bells have to be handed to all fronts."""


class Board:
    """One row for each front, and an eventfd that wakes it."""

    def __init__(self, memory: int, bells: Sequence[int]) -> None:
        """Descriptors, kept."""
        self.descriptors = [memory, *bells]
        self._rows = memoryview(mmap.mmap(memory, len(bells) * _FIELDS * 8)).cast("q")

    @classmethod
    def made(cls, fronts: int) -> "Board":
        """An empty one."""
        memory = os.memfd_create("snellen-board", os.MFD_CLOEXEC)
        os.ftruncate(memory, fronts * _FIELDS * 8)
        return cls(memory, [os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK) for _ in range(fronts)])

    @property
    def fronts(self) -> int:
        return len(self.descriptors) - 1

    def row(self, front: int) -> memoryview:
        """Its fields, int64."""
        return self._rows[front * _FIELDS : (front + 1) * _FIELDS]

    def ring(self, front: int) -> None:
        with contextlib.suppress(BlockingIOError):  # it has been rung very often, and will look
            os.eventfd_write(self.descriptors[1 + front], 1)

    def clear(self, front: int) -> None:
        """For the supervisor: that front has died, and the others may have waited for it."""
        _empty(self.row(front))
        for other in range(self.fronts):
            self.ring(other)


class Others:
    """The other fronts, as one of them sees them."""

    def __init__(self, board: Board, own: int) -> None:
        self._board = board
        self._bell = board.descriptors[1 + own]
        self._own = board.row(own)
        self._rows = {number: board.row(number) for number in range(board.fronts) if number != own}
        self._before = [board.row(number) for number in range(own)]
        _empty(self._own)

    def listen(self, changed: Callable[[], None]) -> None:
        """Inside the event loop."""
        bell = self._bell

        def hear() -> None:
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(bell)
            changed()

        asyncio.get_running_loop().add_reader(bell, hear)

    @property
    def count(self) -> int:
        return len(self._rows)

    @property
    def urgent(self) -> int:
        return sum([row[_URGENT] for row in self._rows.values()])

    @property
    def urgent_at(self) -> float:
        return max([row[_URGENT_AT] for row in self._rows.values()]) / 1e9

    @property
    def bulk(self) -> int:
        return sum([row[_BULK] for row in self._rows.values()])

    @property
    def waits(self) -> bool:
        return any(row[_WAITS] for row in self._rows.values())

    @property
    def precede(self) -> bool:
        return any(row[_BULK] for row in self._before)

    def post(self, urgent: int, urgent_at: float, bulk: int, *, waits: bool) -> None:
        """Who runs bulk work is woken when there is more interactive work, who waits for room when there is less."""
        own = self._own
        more, less = urgent > own[_URGENT], urgent < own[_URGENT] or bulk < own[_BULK]
        own[_URGENT], own[_BULK], own[_WAITS] = urgent, bulk, waits
        own[_URGENT_AT] = int(urgent_at * 1e9) if urgent_at > 0 else 0
        if more or less:
            for number, row in self._rows.items():
                if (more and row[_BULK]) or (less and row[_WAITS]):
                    self._board.ring(number)


def _empty(row: memoryview) -> None:
    row[_URGENT] = row[_URGENT_AT] = row[_BULK] = row[_WAITS] = 0
