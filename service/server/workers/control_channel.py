"""Messages with file descriptors between the main process and each process it started, complete and in order."""

import asyncio
import contextlib
import errno
import os
import socket
from collections import deque
from collections.abc import Callable, Sequence

from service.memfd import unnamed_file

_MAX_MESSAGE_BYTES = 64 * 1024
"""Limit of one message."""
_TRY_AGAIN_S = 0.02
"""Seconds until sending is tried again when too many descriptors are in transit."""

STARTED = b"U"
"""From a frontend: it takes connections, to answer probes while it opens the models."""
PREPARE = b"A"
"""To a process: open what is ready in this RepositoryState, a file."""
PREPARED = b"B"
"""From a process: it has prepared the state of this number; a file with the versions that it cannot serve, and why."""
COMMIT = b"K"
"""To a process: let clients see the state of this number, which it has prepared."""
RETIRED = b"T"
"""From a process: it has committed the state of this number, and what is no longer ready is gone."""
DEGRADED = b"W"
"""To a frontend: what is wrong with another process; empty when nothing is wrong any more."""
CERTIFICATES = b"S"
"""To a frontend, before its first connection and after a change: the TlsMaterial, a file."""
CONNECTION = b"C"
"""To a frontend: a client's connection, one descriptor."""
CONNECTION_CLOSED = b"G"
"""From a frontend: one of its connections has ended."""
LISTEN = b"N"
"""From a frontend: it is ready; with `listen_when_ready` the main process listens from now on."""
STOP_ACCEPTING = b"E"
"""From a frontend: send no more connections. To a frontend: all connections have been sent."""
LINK = b"L"
"""To a frontend and an engine process: the ends of a stream between them, one descriptor."""
PING = b"P"
"""To a process, and back from it: its event loop is running."""
SNAPSHOT = b"M"
"""To a process: send the metrics, with this number. From a process: a file with the metrics, one descriptor."""
SCRAPE = b"Q"
"""From a frontend: send the metrics of all processes, with this number. To a frontend: a file with their sum.

The sum includes the counts of processes that have ended.
"""

Message = Callable[[bytes, bytes, Sequence[int]], None]
"""Receives a message: kind, text, descriptors that now belong to the receiver."""


class ControlChannel:
    """One end of a channel. A descriptor that is sent is closed in the sending process."""

    def __init__(
        self,
        end: socket.socket,
        on_message: Message,
        on_end: Callable[[], None],
        on_undelivered: Callable[[bytes, Sequence[int]], None] = lambda _kind, descriptors: close_all(descriptors),
    ) -> None:
        """Create the end inside the event loop in which the callbacks run.

        on_message: called with each message. on_end: called when the other side has closed the channel.
        on_undelivered: called with kind and descriptors of a message that could not be sent; owns the descriptors.
        """
        end.setblocking(False)
        self._end, self._on_message, self._on_end = end, on_message, on_end
        self._on_undelivered = on_undelivered
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[bytes, Sequence[int]]] = deque()
        self._loop.add_reader(end.fileno(), self._read)

    def send(self, kind: bytes, text: bytes = b"", descriptors: Sequence[int] = ()) -> None:
        """Send a message now, or as soon as the other side reads; see `on_undelivered` when that has ended."""
        self._waiting.append((kind + text, descriptors))
        if len(self._waiting) == 1:
            self._write()

    def close(self) -> None:
        if self._end.fileno() < 0:
            return
        self._loop.remove_reader(self._end.fileno())
        self._loop.remove_writer(self._end.fileno())
        self._end.close()
        self._drop()

    def _write(self) -> None:
        if self._end.fileno() < 0:
            self._drop()
        while self._waiting:
            message, descriptors = self._waiting[0]
            try:
                socket.send_fds(self._end, [message], descriptors)
            except BlockingIOError:
                self._loop.add_writer(self._end.fileno(), self._write)
                return
            except OSError as error:
                if error.errno == errno.ETOOMANYREFS:  # more descriptors in transit than a user may have
                    self._loop.call_later(_TRY_AGAIN_S, self._write)
                    return
                self._drop()  # the other side has ended; _read notices that
                break
            self._waiting.popleft()
            close_all(descriptors)
        if self._end.fileno() >= 0:
            self._loop.remove_writer(self._end.fileno())

    def _drop(self) -> None:
        while self._waiting:
            message, descriptors = self._waiting.popleft()
            self._on_undelivered(message[:1], descriptors)

    def _read(self) -> None:
        """Read all messages that are there; connections often arrive many at a time."""
        while self._end.fileno() >= 0:
            try:
                message, descriptors = receive(self._end, _MAX_MESSAGE_BYTES, 1)
            except BlockingIOError:
                return
            except OSError:
                message, descriptors = b"", []
            if not message:
                self.close()
                self._on_end()
                return
            self._on_message(message[:1], message[1:], descriptors)


def pair() -> tuple[socket.socket, socket.socket]:
    """Return the two ends of a channel. A packet socket keeps each descriptor with its message."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def missing_feature() -> str | None:
    """Return what this platform lacks for several processes; None on Linux with a Python that has it all."""
    if not hasattr(os, "memfd_create"):
        return "os.memfd_create is missing"
    try:
        for end in pair():
            end.close()
    except (AttributeError, OSError):
        return "Unix sockets of the type SOCK_SEQPACKET are missing"
    return None


def receive(end: socket.socket, size: int, max_descriptors: int) -> tuple[bytes, list[int]]:
    """Return a message of at most `size` bytes and its descriptors, none of which child processes inherit.

    Raises OSError.
    """
    message, descriptors, _, _ = socket.recv_fds(end, size, max_descriptors)
    for descriptor in descriptors:  # Python 3.11 does not pass on MSG_CMSG_CLOEXEC
        os.set_inheritable(descriptor, False)
    return message, descriptors


def close_all(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        with contextlib.suppress(OSError):
            os.close(descriptor)


def to_memfd(content: bytes) -> int:
    """Return the descriptor of an unnamed file with this content, which can be sent with a message of any size."""
    descriptor = unnamed_file("snellen-message")
    os.write(descriptor, content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def read_memfd(descriptor: int) -> bytes:
    """Return the content of such a file and close it."""
    with open(descriptor, "rb") as file:
        return file.read()
