"""What a frontend and an engine say to each other through a stream: heads of 32 bytes, most with no data behind."""

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import Any, NamedTuple

REQUEST = struct.Struct("<BBHIQdiI")
"""Kind, whether the class map is wanted, model, slot, number, deadline (time.monotonic), priority, bytes behind it."""
RESPONSE = struct.Struct("<BxHIQffII")
"""Kind, rows and columns of a class map (0: none), number, seconds queued and run, unused, bytes behind it."""
HELLO = struct.Struct("<II")
"""A frontend's first bytes, with the descriptor of its slots: how many, and of how many bytes each."""
SHAPE = struct.Struct("<III")
"""Before the pixels of an image that has no slot: height, width, channels."""


class Kind(IntEnum):
    """The first byte of a head."""

    CLASSIFY = 1
    """To an engine: the pixels in this slot."""
    DENSE = 2
    """To an engine: the pixels behind the head, of any size."""
    FORGET = 3
    """To an engine: nobody waits for this number any more."""
    ANSWER = 4
    """To a frontend: float32 probabilities, and the class map if there is one; of DENSE the logits between them."""
    PROBLEM = 5
    """To a frontend: JSON of an error."""
    REPORT = 6
    """To a frontend: JSON of a version that was loaded, or refused."""


class RequestHeader(NamedTuple):
    """A head that a frontend sends."""

    kind: int
    class_map: int
    model: int
    slot: int
    number: int
    deadline: float
    priority: int
    size: int


class ResponseHeader(NamedTuple):
    """A head that an engine sends."""

    kind: int
    rows: int
    columns: int
    number: int
    queue_s: float
    infer_s: float
    unused: int
    size: int


class FrameDecoder:
    """Cuts a stream into heads and what is behind them, whatever pieces it arrives in."""

    def __init__(self, head: struct.Struct) -> None:
        self._head = head
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[tuple[Any, ...], bytes]]:
        """All that `data` completes."""
        self._buffer += data
        begin, whole = 0, []
        with memoryview(self._buffer) as view:
            while len(view) - begin >= self._head.size:
                head = self._head.unpack_from(view, begin)
                end = begin + self._head.size + head[-1]
                if len(view) < end:
                    break
                whole.append((head, bytes(view[begin + self._head.size : end])))
                begin = end
        del self._buffer[:begin]
        return iter(whole)
