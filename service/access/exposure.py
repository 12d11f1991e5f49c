"""Whether other machines can reach the service, and the warning where it needs no key."""

import logging
import socket
from ipaddress import ip_address

from service.settings import Settings

logger = logging.getLogger(__name__)


def is_loopback(host: str) -> bool:
    """Return whether all addresses of a host, a name or an IP address, are of this machine only.

    A name that is not known counts as not: the service cannot listen there and says why.
    """
    try:
        found = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError:
        return False
    return all(ip_address(str(address[0]).partition("%")[0]).is_loopback for *_, address in found)


def warn_if_open(settings: Settings) -> None:
    """Log a warning where other machines reach a service that needs no key."""
    if settings.keys is None and not is_loopback(settings.host):
        logger.warning(
            "OPEN TO EVERYBODY: every client that reaches the service on %s may classify and read models and metrics. "
            "--keys FILE answers only clients with a key (docs/keys.md), --host 127.0.0.1 only this machine",
            settings.host,
        )
