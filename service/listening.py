"""What the process needs of the system before it serves: an address, and descriptors for its connections."""

import logging
import resource
import socket

logger = logging.getLogger(__name__)

_BACKLOG = 2048
_OTHER_DESCRIPTORS = 256
"""For models, decode workers, event loop, log: 20 were counted with one model on two cores."""


class CannotListen(Exception):
    """The message says where and why."""


def listen(host: str, port: int) -> list[socket.socket]:
    """Sockets for every address of `host`. Raises CannotListen."""
    sockets: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, address in sorted({(family, address[:2]) for family, _, _, _, address in found}):
            sockets.append(socket.create_server(address, family=family, backlog=_BACKLOG))
    except OSError as error:
        for bound in sockets:
            bound.close()
        reason = (error.strerror or str(error)).partition(" (while")[0]
        raise CannotListen(f"cannot listen on {host} port {port}: {reason}; see --host and --port") from error
    return sockets


def room_for(connections: int, spare: int) -> int:
    """How many of `connections` the system allows with `spare` besides, the soft limit raised where it can be."""
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
