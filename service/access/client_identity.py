"""Which requests are of one client, for limits and for shares: those with one API key, else those of one address."""

from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from service.access.api_keys import ApiKey

UNKNOWN = ""
"""The identity of clients without key and address, as on a Unix socket."""
_PREFIX_BITS = 64
"""Bits of an IPv6 address that stand for a client. A network for one customer has at least the other 64 for itself."""
_ADDRESSES_KNOWN = 4096
"""Limit of addresses that are remembered, so that they are not read again with each request."""


def identity_of(key: ApiKey | None, address: str | None) -> str:
    """Return the ID of the key, or else the client's network: an IPv4 address, or the first half of an IPv6 address.

    address: as ASGI has it, also a name where it is no IP address; None or empty where it is not known.
    """
    if key is not None:
        return key.key_id
    return _network_of(address) if address else UNKNOWN


@lru_cache(_ADDRESSES_KNOWN)
def _network_of(text: str) -> str:
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return text
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    prefix = int(address) >> _PREFIX_BITS << _PREFIX_BITS
    return f"{IPv6Address(prefix)}/{_PREFIX_BITS}"
