"""Whose address a request has that came through proxies: made-up headers change nothing."""

from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from service.api.trusted_proxies import TrustedProxiesMiddleware

TRUSTED = ("10.0.0.0/8", "192.0.2.7", "2001:db8::/32")


async def seen_by_app(peer: str | None, *headers: tuple[str, str], scheme: str = "http") -> tuple[Any, str]:
    """Return the client and the scheme that the application sees of a request that comes from `peer`."""
    found = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        found.append((scope["client"], scope["scheme"]))

    async def nothing(*_message: object) -> Any: ...

    encoded = [(name.lower().encode(), value.encode()) for name, value in headers]
    client = None if peer is None else (peer, 4711)
    scope = {"type": "http", "client": client, "scheme": scheme, "headers": encoded}
    await TrustedProxiesMiddleware(app, TRUSTED)(scope, nothing, nothing)
    return found[0]


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("192.0.2.7", ["203.0.113.9"], "203.0.113.9"),
        ("2001:db8::5", ["2a00:1450::1"], "2a00:1450::1"),
        ("::ffff:10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["::ffff:203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["198.51.100.1, 203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["203.0.113.9, 10.9.9.9, 192.0.2.7"], "203.0.113.9"),
        ("10.0.0.1", ["198.51.100.1", "203.0.113.9", "10.9.9.9"], "203.0.113.9"),
        ("10.0.0.1", ["10.1.1.1, 10.2.2.2"], "10.1.1.1"),
        ("10.0.0.1", ["203.0.113.9:1234"], "203.0.113.9"),
        ("10.0.0.1", ["[2a00:1450::1]:1234"], "2a00:1450::1"),
        ("10.0.0.1", ["unknown, 10.2.2.2"], "10.2.2.2"),
    ],
)
async def test_the_client_is_the_last_address_that_is_no_proxy_of_ours(
    peer: str, forwarded: list[str], client: str
) -> None:
    """Through one proxy or several, which add to the header or send another, with and without ports."""
    found, _ = await seen_by_app(peer, *[("X-Forwarded-For", value) for value in forwarded])
    assert found == (client, 0)


@pytest.mark.parametrize("forwarded", ["", "unknown", "a b c", "203.0.113.9, \x1b[31m", "1.2.3.4.5", ","])
async def test_what_is_no_address_is_ignored(forwarded: str) -> None:
    """The client is then the proxy itself; no text of a client comes into the log this way."""
    found, _ = await seen_by_app("10.0.0.1", ("X-Forwarded-For", forwarded))
    assert found == ("10.0.0.1", 4711)


@pytest.mark.parametrize("peer", ["203.0.113.1", "11.0.0.1", "192.0.2.8", "::1", "testclient", None])
async def test_others_are_not_believed(peer: str | None) -> None:
    """Neither their address nor their scheme; nor a peer without an address, as of a Unix socket."""
    headers = [("X-Forwarded-For", "10.0.0.1"), ("X-Forwarded-Proto", "https")]
    assert await seen_by_app(peer, *headers) == (None if peer is None else (peer, 4711), "http")


@pytest.mark.parametrize(
    ("values", "scheme"),
    [(["https"], "https"), (["HTTPS "], "https"), (["https, http"], "http"), (["http", "https"], "https")],
)
async def test_the_scheme_is_the_one_that_the_last_proxy_names(values: list[str], scheme: str) -> None:
    """Only http and https are schemes."""
    headers = [("X-Forwarded-Proto", value) for value in values]
    assert (await seen_by_app("10.0.0.1", *headers))[1] == scheme


@pytest.mark.parametrize("value", ["", "javascript", "https://evil.example"])
async def test_another_scheme_is_ignored(value: str) -> None:
    """The request keeps its own."""
    assert (await seen_by_app("10.0.0.1", ("X-Forwarded-Proto", value), scheme="https"))[1] == "https"
