"""Messages between the service and a decode worker, whatever their size."""

import json
import os

import pytest

from service.decoding.worker_ipc import HEAD_BYTES, Message, lengths_of


@pytest.mark.parametrize("size", [0, 1, 150_000, 5_000_000])
def test_a_packed_message_can_be_read_again(size: int) -> None:
    """The lengths at its beginning tell where the JSON and the payload end."""
    message = Message({"a": [1, "ü"]}, os.urandom(size))
    packed = b"".join(message.packed())
    head, payload = lengths_of(packed[:HEAD_BYTES])
    assert HEAD_BYTES + head + payload == len(packed)
    rest = packed[HEAD_BYTES:]
    assert Message(json.loads(rest[:head]), rest[head:]) == message


def test_a_payload_is_not_copied_to_be_packed() -> None:
    """A body of megabytes goes to the socket as it is."""
    payload = bytes(1_000_000)
    assert Message({}, payload).packed()[1] is payload
