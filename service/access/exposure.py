"""Whether other machines can reach an address."""

import socket
from ipaddress import ip_address


def is_loopback(host: str) -> bool:
    """Return whether all addresses of a host, a name or an IP address, are of this machine only.

    A name that is not known counts as not: the service cannot listen there and says why.
    """
    try:
        found = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError:
        return False
    return all(ip_address(str(address[0]).partition("%")[0]).is_loopback for *_, address in found)
