"""The binary protocol between frontends and engine processes: headers of 32 bytes, some followed by data."""

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import Any, NamedTuple

REQUEST = struct.Struct("<BBHIQdiI")
"""Kind, whether the class map is needed, model, slot, number, deadline (time.monotonic), priority, bytes behind it."""
RESPONSE = struct.Struct("<BxHIQffII")
"""Kind, rows and columns of a class map (0: none), number, seconds queued, seconds run, unused, bytes that follow."""
HELLO = struct.Struct("<II")
"""The first bytes of a frontend, sent with the descriptor of its slots: their number, and the bytes of each."""
SHAPE = struct.Struct("<III")
"""Precedes the pixels of an image without a slot: height, width, channels."""


class Kind(IntEnum):
    """The first byte of a header."""

    CLASSIFY = 1
    """To an engine process: run the pixels in this slot."""
    DENSE = 2
    """To an engine process: run the pixels that follow the header, of any size."""
    FORGET = 3
    """To an engine process: the result of this number is no longer needed."""
    ANSWER = 4
    """To a frontend: float32 probabilities, for DENSE then the logits, then the class map if there is one."""
    PROBLEM = 5
    """To a frontend: an error as JSON."""
    REPORT = 6
    """To a frontend: a version was loaded or rejected, as JSON."""


class RequestHeader(NamedTuple):
    """A header sent by a frontend; see REQUEST."""

    kind: int
    class_map: int
    model: int
    slot: int
    number: int
    deadline: float
    priority: int
    size: int


class ResponseHeader(NamedTuple):
    """A header sent by an engine process; see RESPONSE."""

    kind: int
    rows: int
    columns: int
    number: int
    queue_s: float
    infer_s: float
    unused: int
    size: int


class FrameDecoder:
    """Splits a byte stream into headers and the data that follows each."""

    def __init__(self, head: struct.Struct) -> None:
        self._head = head
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[tuple[Any, ...], bytes]]:
        """Return all frames that `data` completes."""
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
