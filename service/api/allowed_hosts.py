"""Refuses requests for host names that are not the service's own, against DNS rebinding."""

from ipaddress import ip_address

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.problems import plain_problem, respond


class AllowedHostsMiddleware:
    """Answers 421 when the `Host` header names a host that is not allowed.

    A web page can let the name of its own host resolve to the address of this service (DNS rebinding). The browser then
    sends the page's requests here, with that name in `Host`. IP addresses and `localhost` are always allowed: such a
    page has a name of its own, and probes of Kubernetes or a container's health check ask by address.
    """

    def __init__(self, app: ASGIApp, hosts: tuple[str, ...]) -> None:
        """hosts: names without port; `*.example.com` stands for all names below example.com, `*` for all names."""
        self._app = app
        self._names = frozenset(host.lower() for host in hosts) | {"localhost"}
        self._suffixes = tuple(host.lower()[1:] for host in hosts if host.startswith("*."))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Expect to run inside RequestContextMiddleware, which gives each request its id."""
        host = Headers(scope=scope).get("host", "") if scope["type"] == "http" else "localhost"
        if self._allows(host):
            await self._app(scope, receive, send)
            return
        detail = "the service is not allowed to answer for this host; use another, or add it to --allowed-hosts"
        await respond(plain_problem(421, detail), scope["state"]["request_id"])(scope, receive, send)

    def _allows(self, host: str) -> bool:
        """Return whether a `Host` header, with or without a port, is allowed."""
        name = _without_port(host.lower()).removesuffix(".")
        return "*" in self._names or name in self._names or name.endswith(self._suffixes) or _is_address(name)


def _without_port(host: str) -> str:
    """Return the name or address of a `Host` header; an IPv6 address loses its brackets, empty if malformed."""
    if host.startswith("["):
        address, _, port = host[1:].partition("]")
        return address if not port or port.startswith(":") else ""
    return host.partition(":")[0]


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
