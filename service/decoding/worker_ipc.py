"""Between the service and a decode worker: messages through pipes, their bytes in memory that both see if they fit."""

import json
import mmap
import struct
from typing import Any, NamedTuple

SHARED_BYTES = 4 * 1024 * 1024
"""Of each worker: most photos fit, and no more memory than this stays touched."""
_LENGTHS = struct.Struct("<III")
HEAD_BYTES = _LENGTHS.size


class Message(NamedTuple):
    """A JSON object and bytes: one message in either direction."""

    head: dict[str, Any]
    payload: bytes


class MessageLengths(NamedTuple):
    """What a message consists of: JSON, then bytes in the pipe, or as many in the shared memory."""

    head: int
    piped: int
    shared: int

    @classmethod
    def of(cls, beginning: bytes) -> "MessageLengths":
        return cls(*_LENGTHS.unpack(beginning))


class WorkerPipe:
    """One end. One message is under way at a time, so either direction may use the whole memory."""

    def __init__(self, descriptor: int) -> None:
        """Of `sealed_memory`; stays the caller's."""
        self._memory = mmap.mmap(descriptor, SHARED_BYTES)

    def pack(self, frame: Message) -> list[bytes]:
        """What is to be written to the pipe; small if the payload went to the memory."""
        head, size = json.dumps(frame.head).encode(), len(frame.payload)
        if size > SHARED_BYTES:
            return [_LENGTHS.pack(len(head), size, 0) + head, frame.payload]
        self._memory[:size] = frame.payload
        return [_LENGTHS.pack(len(head), 0, size) + head]

    def unpack(self, lengths: MessageLengths, head: bytes, piped: bytes) -> Message:
        """The bytes are a copy: the other side may write again."""
        return Message(json.loads(head), piped or self._memory[: lengths.shared])
