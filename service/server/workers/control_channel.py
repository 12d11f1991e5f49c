"""Messages with file descriptors between the supervisor and a process of its own, whole and in order."""

import array
import asyncio
import contextlib
import errno
import json
import os
import socket
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

MAX_MESSAGE = 64 * 1024
MOST_DESCRIPTORS = 32
"""In one message."""
_TRY_AGAIN_S = 0.02
_CLOSE_ON_EXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
"""Flag of recvmsg that makes received descriptors close-on-exec; 0 where the system does not have it."""

START = b"S"
"""To a process: what it is and its settings, JSON; and a file with the ServedVersions, if any."""
STARTED = b"U"
"""From a process, a frontend takes connections now: a file with the ServedVersions that it found."""
READY = b"R"
"""From a process: models are loaded, and a file with the ServedVersions; to it: /readyz may say so from now on."""
CHANGED = b"D"
"""From a process: why it cannot serve what the others serve."""
DEGRADED = b"W"
"""To a frontend: what is wrong with another process, empty when nothing is any more."""
CONNECTION = b"C"
"""To a frontend: a client's connection, one descriptor."""
CONNECTIONS_CLOSED = b"G"
"""From a frontend: so many connections have ended, decimal."""
STOP_ACCEPTING = b"E"
"""From a frontend: no more connections; to it: what was handed over before is all."""
LINK = b"L"
"""To a frontend and an engine: the two ends of a stream between them, the number of the other side, one descriptor."""
FATAL = b"F"
"""From a process: why the service cannot be, for the one who started it."""
PING = b"P"
"""To a process, and back from it: its event loop turns."""
SNAPSHOT = b"M"
"""To a process: its metrics are wanted, under this number; from it: a file with them, one descriptor."""
SCRAPE = b"Q"
"""From a frontend: the metrics of all are wanted, under this number; to it: files with them, and of what has ended."""

Message = Callable[[bytes, bytes, Sequence[int]], None]
"""Kind, text, descriptors that are now the receiver's."""


class ControlChannel:
    """One side's end. A descriptor that is sent is closed here."""

    def __init__(self, end: socket.socket, on_message: Message, on_end: Callable[[], None]) -> None:
        """Inside the event loop that is to be told."""
        end.setblocking(False)
        self._end, self._on_message, self._on_end = end, on_message, on_end
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[bytes, Sequence[int]]] = deque()
        self._loop.add_reader(end.fileno(), self._read)

    def send(self, kind: bytes, text: bytes = b"", descriptors: Sequence[int] = ()) -> None:
        """Now, or as soon as the other side has read on; nothing, once it has ended."""
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
                if error.errno == errno.ETOOMANYREFS:  # more descriptors on their way than a user may have
                    self._loop.call_later(_TRY_AGAIN_S, self._write)
                    return
                self._drop()  # the other side is gone; the reader hears of it
                break
            self._waiting.popleft()
            close_all(descriptors)
        if self._end.fileno() >= 0:
            self._loop.remove_writer(self._end.fileno())

    def _drop(self) -> None:
        while self._waiting:
            close_all(self._waiting.popleft()[1])

    def _read(self) -> None:
        """All that is there, for connections come in crowds."""
        while self._end.fileno() >= 0:
            try:
                message, descriptors = receive(self._end, MAX_MESSAGE, MOST_DESCRIPTORS)
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
    """Two ends for channels: packets keep each descriptor with its message."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def receive_start(end: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """The first message to a process, waited for, and its descriptors. Raises EOFError: the supervisor has ended."""
    message, descriptors = receive(end, MAX_MESSAGE, MOST_DESCRIPTORS)
    if message[:1] != START:
        raise EOFError("the supervisor has ended")
    return json.loads(message[1:]), descriptors


def receive(end: socket.socket, size: int, max_descriptors: int) -> tuple[bytes, list[int]]:
    """Return a message of at most `size` bytes and the descriptors that came with it, none of them inheritable.

    `socket.recv_fds` ignores its flags, so that each process started later would keep a copy of every descriptor:
    a client's connection would stay open although the process that answers it has closed it or has ended.
    Raises OSError.
    """
    received = array.array("i")
    space = socket.CMSG_SPACE(max_descriptors * received.itemsize)
    message, ancillary, _, _ = end.recvmsg(size, space, _CLOSE_ON_EXEC)
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            received.frombytes(data[: len(data) - len(data) % received.itemsize])
    if not _CLOSE_ON_EXEC:
        for descriptor in received:
            os.set_inheritable(descriptor, False)
    return message, list(received)


def close_all(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        with contextlib.suppress(OSError):
            os.close(descriptor)


def to_memfd(read_memfd: bytes) -> int:
    """A file without a name, as large as need be, that can be sent like a message."""
    descriptor = os.memfd_create("snellen-message")
    os.write(descriptor, read_memfd)
    return descriptor


def read_memfd(descriptor: int) -> bytes:
    """All of such a file, which is closed."""
    try:
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0)
    finally:
        close_all([descriptor])
