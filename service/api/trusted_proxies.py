"""The address of a client behind a proxy, believed only where the proxy is one of the operator's.

Not uvicorn's ProxyHeadersMiddleware, which takes any text for the address of a client, does not find the proxy
`::ffff:10.0.0.1`, as a socket for IPv6 and IPv4 names it, in 10.0.0.0/8, and ignores an `X-Forwarded-Proto` with the
schemes of several proxies.
"""

from collections.abc import Iterator
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from starlette.types import ASGIApp, Receive, Scope, Send

_SCHEMES = {b"http": "http", b"https": "https"}
_ADDRESSES_KNOWN = 4096
"""Limit of addresses that are remembered, so that they are not read again with each request."""

Address = IPv4Address | IPv6Address


class TrustedProxiesMiddleware:
    """Puts the client's address and scheme into the scope of requests that come from a trusted proxy.

    Each proxy appends the address it got the request from to `X-Forwarded-For`. So the list is read from its end, past
    the trusted proxies, and what is left of the first other address may have been made up by the client. Headers of all
    others are ignored.
    """

    def __init__(self, app: ASGIApp, proxies: tuple[str, ...]) -> None:
        """proxies: IP addresses and networks."""
        self._app = app
        self._networks = [ip_network(proxy, strict=False) for proxy in proxies]
        self._trusts = lru_cache(_ADDRESSES_KNOWN)(self._is_trusted)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Expect to run outside all middleware that reads the client's address."""
        client = scope.get("client")
        if scope["type"] == "http" and client and (peer := _address(client[0])) and self._trusts(peer):
            forwarded = b",".join(_values(scope, b"x-forwarded-for")).decode("latin-1")
            if found := self._client_of(forwarded):
                scope["client"] = (str(found), 0)
            schemes = b",".join(_values(scope, b"x-forwarded-proto")).rpartition(b",")[2].strip().lower()
            scope["scheme"] = _SCHEMES.get(schemes, scope["scheme"])
        await self._app(scope, receive, send)

    def _client_of(self, forwarded: str) -> Address | None:
        """Return the last address that is no trusted proxy's, or the first one if all are; None if there is none."""
        found = None
        for text in reversed(forwarded.split(",")):
            address = _address(_without_port(text.strip()))
            if address is None:
                break
            found = address
            if not self._trusts(address):
                break
        return found

    def _is_trusted(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


def _values(scope: Scope, wanted: bytes) -> Iterator[bytes]:
    return (value for name, value in scope["headers"] if name == wanted)


def _without_port(text: str) -> str:
    """Return the address of `10.0.0.1:4711`, `[2001:db8::1]:4711` and of a bare address."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


def _address(text: str) -> Address | None:
    """Return the address; one of IPv4 inside IPv6, as a socket for both has it, becomes the one of IPv4."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
