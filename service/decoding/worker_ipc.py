"""Messages between the service and a decode worker, through a socket."""

import json
import struct
from typing import Any, NamedTuple

_LENGTHS = struct.Struct("<II")
HEAD_BYTES = _LENGTHS.size


class Message(NamedTuple):
    """A JSON object and bytes; one message in either direction."""

    head: dict[str, Any]
    payload: bytes

    def packed(self) -> tuple[bytes, bytes]:
        """Return what has to be written to the socket: both lengths and the JSON, then the payload."""
        head = json.dumps(self.head).encode()
        return _LENGTHS.pack(len(head), len(self.payload)) + head, self.payload


def lengths_of(beginning: bytes) -> tuple[int, int]:
    """Return the lengths of the JSON and of the payload, in bytes, from the first HEAD_BYTES of a message."""
    return _LENGTHS.unpack(beginning)
