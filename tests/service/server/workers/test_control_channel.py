"""Messages and descriptors between processes."""

import asyncio
import os
import socket
from collections.abc import Sequence

import pytest

from service.server.workers import control_channel
from service.server.workers.control_channel import ControlChannel, missing_feature, pair


class Heard:
    """What came through a channel, and whether it has ended."""

    def __init__(self) -> None:
        self.messages: list[tuple[bytes, bytes, Sequence[int]]] = []
        self.ended = asyncio.Event()
        self.came = asyncio.Event()

    def message(self, kind: bytes, text: bytes, descriptors: Sequence[int]) -> None:
        self.messages.append((kind, text, descriptors))
        self.came.set()


def channels() -> tuple[ControlChannel, ControlChannel, Heard]:
    """Two ends, and what the second one hears."""
    heard = Heard()
    one, other = pair()
    return (
        ControlChannel(one, lambda *_: None, lambda: None),
        ControlChannel(other, heard.message, heard.ended.set),
        heard,
    )


async def test_a_descriptor_arrives_with_its_message() -> None:
    """And is closed where it came from."""
    sender, receiver, heard = channels()
    ours, theirs = socket.socketpair()
    sent = theirs.detach()
    sender.send(b"C", b"one", [sent])
    await heard.came.wait()
    kind, text, (descriptor,) = heard.messages[0]
    os.write(descriptor, b"hello")
    assert (kind, text, ours.recv(5)) == (b"C", b"one", b"hello")
    os.close(descriptor)
    assert ours.recv(1) == b""
    ours.close()
    sender.close()
    receiver.close()


async def test_a_descriptor_that_arrived_is_not_inherited() -> None:
    """By the processes that the receiver starts."""
    sender, receiver, heard = channels()
    ours, theirs = socket.socketpair()
    with ours:
        sender.send(b"C", b"one", [theirs.detach()])
        await heard.came.wait()
        (descriptor,) = heard.messages[0][2]
        assert not os.get_inheritable(descriptor)
        os.close(descriptor)
    sender.close()
    receiver.close()


async def test_messages_wait_for_a_slow_reader_in_their_order() -> None:
    """Also when the system's buffer is full."""
    sender, receiver, heard = channels()
    for number in range(5000):
        sender.send(b"G", str(number).encode())
    while len(heard.messages) < 5000:
        heard.came.clear()
        await heard.came.wait()
    assert [int(text) for _, text, _ in heard.messages] == list(range(5000))
    sender.close()
    receiver.close()


async def test_the_other_sides_end_is_heard() -> None:
    """And sending to it is no error; its descriptors are closed all the same."""
    sender, receiver, heard = channels()
    sender.close()
    await heard.ended.wait()
    reading, writing = os.pipe()
    receiver.send(b"C", b"", [writing])
    assert os.read(reading, 1) == b""
    os.close(reading)


async def test_what_could_not_be_delivered_is_given_back() -> None:
    """With its descriptors, which are the receiver's now."""
    one, other = pair()
    given_back: list[tuple[bytes, Sequence[int]]] = []
    sender = ControlChannel(
        one, lambda *_: None, lambda: None, lambda kind, descriptors: given_back.append((kind, descriptors))
    )
    other.close()
    reading, writing = os.pipe()
    sender.send(b"C", b"", [writing])
    assert given_back == [(b"C", [writing])]
    os.close(writing)
    assert os.read(reading, 1) == b""
    os.close(reading)
    sender.close()


def test_a_platform_with_memfd_and_packet_sockets_can_run_several_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing is named otherwise."""
    assert missing_feature() is None
    monkeypatch.delattr(socket, "SOCK_SEQPACKET")
    assert missing_feature() == "Unix sockets of the type SOCK_SEQPACKET are missing"
    monkeypatch.delattr(os, "memfd_create")
    assert missing_feature() == "os.memfd_create is missing"


def test_each_kind_of_message_has_a_letter_of_its_own() -> None:
    """Whatever its direction."""
    kinds = [value for name, value in vars(control_channel).items() if name.isupper() and isinstance(value, bytes)]
    assert len(kinds) > 10
    assert len(kinds) == len(set(kinds))
