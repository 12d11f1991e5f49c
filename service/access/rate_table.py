"""The state of all limits of images per second: one number for each client, in memory that all processes share.

The rule is GCRA, the generic cell rate algorithm: the number is the moment at which the client's images so far would
be paid for, one after the other at its rate. A request is let in if that moment is then at most a burst ahead of the
clock. Nothing has to be renewed while no request comes.
"""

import mmap
import os
import secrets
from hashlib import blake2b

from service.access.rate_limit import RateLimit
from service.memfd import sealed_memory

_SECRET_BYTES = 16
_NUMBER_BYTES = 8
SLOTS = 2**20
"""Clients whose numbers have different places. The memory that no client has used takes no room.

Two of 1,000 clients with limits in use share a place with a chance of 1 in 1,000 for each of them, and its limit with
it.
"""
_BYTES = _SECRET_BYTES + SLOTS * _NUMBER_BYTES
_TOLERANCE = 1e-3
"""Part of an image by which a sum of many times may be off, since a float64 has 53 bits."""


class RateTable:
    """A table of float64: seconds of CLOCK_MONOTONIC, which all processes of a machine read alike.

    Reads and writes are not locked: of two requests at the same moment in two processes, one may be let in too many.
    Places are found with a secret that is new at each start, so that no client can choose whose place it shares.
    """

    def __init__(self, memory: mmap.mmap) -> None:
        """memory: as `shared_table` makes it."""
        self._secret = memory[:_SECRET_BYTES]
        self._numbers = memoryview(memory)[_SECRET_BYTES:_BYTES].cast("d")

    @classmethod
    def of_this_process(cls) -> "RateTable":
        """Return a new table that no other process sees."""
        memory = mmap.mmap(-1, _BYTES)
        memory[:_SECRET_BYTES] = secrets.token_bytes(_SECRET_BYTES)
        return cls(memory)

    @classmethod
    def at(cls, descriptor: int) -> "RateTable":
        """Return the table of `shared_table`. Closes the descriptor."""
        try:
            return cls(mmap.mmap(descriptor, _BYTES))
        finally:
            os.close(descriptor)

    def take(self, client: int, limit: RateLimit, images: int, now: float) -> float:
        """Count images of a client, and return 0; or count nothing, and return the seconds until they may be sent.

        client: identity of the client, below 2^64. limit: of the client, with an end. images: at most the burst of the
        limit. now: seconds of CLOCK_MONOTONIC.
        """
        place = int.from_bytes(
            blake2b(client.to_bytes(8, "little"), digest_size=8, key=self._secret).digest(), "little"
        )
        place %= SLOTS
        paid = max(self._numbers[place], now)
        latest = now + limit.burst / limit.rate
        if paid > latest:  # of a limit that was lower, or of another client
            paid = self._numbers[place] = latest
        after = paid + images / limit.rate
        if (after - latest) * limit.rate > _TOLERANCE:
            return after - latest
        self._numbers[place] = after
        return 0.0


def shared_table() -> int:
    """Return the descriptor of a new table for several processes. Needs `os.memfd_create`."""
    descriptor = sealed_memory("snellen-limits", _BYTES)
    os.pwrite(descriptor, secrets.token_bytes(_SECRET_BYTES), 0)
    return descriptor
