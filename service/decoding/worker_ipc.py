"""Messages between the service and a decode worker, through a socket and shared memory."""

import json
import mmap
import struct
from typing import Any, NamedTuple

SHARED_BYTES = 4 * 1024 * 1024
"""Shared memory of each worker, in bytes. Most photos fit, and no more memory than this stays resident."""
_LENGTHS = struct.Struct("<III")
HEAD_BYTES = _LENGTHS.size


class Message(NamedTuple):
    """A JSON object and bytes; one message in either direction."""

    head: dict[str, Any]
    payload: bytes


class MessageLengths(NamedTuple):
    """The lengths of a message in bytes: JSON, payload in the socket, payload in the shared memory."""

    head: int
    piped: int
    shared: int

    @classmethod
    def of(cls, beginning: bytes) -> "MessageLengths":
        return cls(*_LENGTHS.unpack(beginning))


class WorkerPipe:
    """One end of the exchange.

    Only one message is in transit at a time, so either direction may use the whole memory.
    """

    def __init__(self, descriptor: int) -> None:
        """Map the shared memory. descriptor: from `sealed_memory`; the caller closes it."""
        self._memory = mmap.mmap(descriptor, SHARED_BYTES)

    def pack(self, frame: Message) -> list[bytes]:
        """Return what has to be written to the socket; without the payload if it was copied to the shared memory."""
        head, size = json.dumps(frame.head).encode(), len(frame.payload)
        if size > SHARED_BYTES:
            return [_LENGTHS.pack(len(head), size, 0) + head, frame.payload]
        self._memory[:size] = frame.payload
        return [_LENGTHS.pack(len(head), 0, size) + head]

    def unpack(self, lengths: MessageLengths, head: bytes, piped: bytes) -> Message:
        """Return the message. Its payload is a copy, because the other side may overwrite the shared memory."""
        return Message(json.loads(head), piped or self._memory[: lengths.shared])
