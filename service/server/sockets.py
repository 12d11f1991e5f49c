"""What a process needs of the operating system before it serves: listening sockets, and descriptors for connections."""

import contextlib
import ctypes
import logging
import resource
import select
import socket
import struct
from collections.abc import Iterable, Iterator

logger = logging.getLogger(__name__)

_BACKLOG = 2048
"""Connections that the kernel queues before they are accepted."""
_HANDSHAKE_S = 0.05
"""Time for the last step of a handshake: the round trip of a client that is not far away."""
_SO_ATTACH_FILTER = 26
"""Number of the socket option on Linux; the socket module does not define it. See socket(7)."""
_DROP_SYN = ctypes.create_string_buffer(
    b"".join(
        struct.pack("HBBI", *instruction)
        for instruction in (
            (0x30, 0, 0, 13),  # load the byte of the TCP header that holds the flags
            (0x54, 0, 0, 0x12),  # keep SYN and ACK
            (0x15, 0, 1, 0x02),  # SYN alone?
            (0x06, 0, 0, 0),  # then drop the segment
            (0x06, 0, 0, 0xFFFFFFFF),  # else keep all of it
        )
    )
)
_FILTER = struct.pack("HP", len(_DROP_SYN) // 8, ctypes.addressof(_DROP_SYN))
"""Linux's `struct sock_fprog`: a packet filter that drops TCP segments with SYN and without ACK."""
_OTHER_DESCRIPTORS = 256
"""Descriptors for models, decode workers, event loop and log: 20 were counted with one model on two cores."""


class CannotListen(Exception):
    """The service cannot listen. The message says on which address and why."""


OPTIONS = "--host and --port"
"""The options that name the address of the service itself."""


def bind(host: str, port: int, options: str = OPTIONS) -> list[socket.socket]:
    """Return a socket for every address of `host`, bound but not listening yet. Raises CannotListen.

    The address `::` alone takes IPv4 too (one socket for both, whatever the system's default is).
    options: those that name this address, for the message.
    """
    sockets: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        addresses = sorted({(family, address) for family, _, _, _, address in found})
        for family, address in addresses:
            sockets.append(socket.socket(family, socket.SOCK_STREAM))
            sockets[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                both = address[0] == "::" and len(addresses) == 1
                sockets[-1].setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not both)
            sockets[-1].bind(address)
    except OSError as error:
        for bound in sockets:
            bound.close()
        raise _cannot_listen(host, port, error, options) from error
    return sockets


def begin_listening(bound: Iterable[socket.socket], options: str = OPTIONS) -> None:
    """Let bound sockets take connections.

    Raises CannotListen if another process has begun to listen on the address since it was bound.
    """
    for each in bound:
        try:
            each.listen(_BACKLOG)
        except OSError as error:
            host, port = each.getsockname()[:2]
            raise _cannot_listen(host, port, error, options) from error


def listen(host: str, port: int, options: str = OPTIONS) -> list[socket.socket]:
    """Return a listening socket for every address of `host`. Raises CannotListen."""
    sockets = bind(host, port, options)
    begin_listening(sockets, options)
    return sockets


def log_addresses(sockets: Iterable[socket.socket], scheme: str, message: str = "running on %s") -> None:
    for address in addresses_of(sockets, scheme):
        logger.info(message, address)


def addresses_of(sockets: Iterable[socket.socket], scheme: str) -> list[str]:
    """Return the URL of each socket. scheme: http or https."""
    names = [each.getsockname()[:2] for each in sockets]
    return [f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}" for host, port in names]


def _cannot_listen(host: str, port: int, error: OSError, options: str) -> CannotListen:
    return CannotListen(f"cannot listen on {host} port {port}: {error.strerror or error}; see {options}")


def last_connections(listener: socket.socket) -> Iterator[socket.socket]:
    """Yield the connections that wait to be accepted, then close the listener without resetting any.

    A connection made between the last accept and the close would be reset. So a packet filter first makes the kernel
    drop requests for new connections. Their clients repeat the request, and are refused once the socket is closed.
    Handshakes that had begun before get a moment to complete, in which the calling thread waits.
    """
    with contextlib.suppress(OSError):  # not Linux, or a container whose kernel does not support it
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, _FILTER)
    listener.setblocking(False)
    with listener, contextlib.suppress(OSError):
        while select.select([listener], [], [], _HANDSHAKE_S)[0]:
            yield listener.accept()[0]


def raise_descriptor_limit(connections: int, spare: int) -> int:
    """Raise the soft limit of open files where possible, and return how many of `connections` it allows.

    spare: descriptors needed besides those of the connections.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + spare + _OTHER_DESCRIPTORS
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return connections
    wanted = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):
        wanted = soft
    if wanted >= needed:
        return connections
    possible = min(connections, max(1, wanted - min(spare + _OTHER_DESCRIPTORS, wanted // 2)))
    logger.warning(
        "at most %d connections instead of %d: the limit of open files is %d; raise it (ulimit -n) to %d",
        possible,
        connections,
        wanted,
        needed,
    )
    return possible
