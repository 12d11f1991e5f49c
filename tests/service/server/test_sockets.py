"""Listening sockets, their last connections, and the limit of descriptors."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from service.server.sockets import CannotListen, begin_listening, bind, last_connections, listen

ROOT = Path(__file__).parents[3]
FEW = """
import resource
from service.server.sockets import raise_descriptor_limit

resource.setrlimit(resource.RLIMIT_NOFILE, (256, 1024))
few, many = raise_descriptor_limit(100, spare=64), raise_descriptor_limit(10_000, spare=64)
print(few, many, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


def test_an_address_in_use_is_named() -> None:
    """With the settings that change it."""
    (listener,) = listen("127.0.0.1", 0)
    with listener, pytest.raises(CannotListen, match=r"127\.0\.0\.1 port \d+: .*see --host and --port"):
        listen("127.0.0.1", listener.getsockname()[1])


@pytest.mark.parametrize(
    ("host", "reached"), [("::", {"127.0.0.1", "::1"}), ("::1", {"::1"}), ("0.0.0.0", {"127.0.0.1"})]
)
def test_all_addresses_of_ipv6_are_those_of_ipv4_too(host: str, reached: set[str]) -> None:
    """One socket for both; other addresses are taken as they are."""
    (listener,) = listen(host, 0)
    with listener:
        port = listener.getsockname()[1]
        for address in ("127.0.0.1", "::1"):
            if address in reached:
                socket.create_connection((address, port), timeout=10).close()
            else:
                with pytest.raises(ConnectionRefusedError):
                    socket.create_connection((address, port), timeout=10)


def test_an_address_that_was_only_bound_refuses_connections_until_it_listens() -> None:
    """Whoever listens there first keeps it, and the other says so."""
    (bound,) = bind("127.0.0.1", 0)
    host, port = bound.getsockname()
    with bound:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, port), timeout=10)
        (second,) = bind(host, port)
        with second:
            begin_listening([bound])
            socket.create_connection((host, port), timeout=10).close()
            with pytest.raises(
                CannotListen, match=rf"cannot listen on 127\.0\.0\.1 port {port}: Address already in use"
            ):
                begin_listening([second])


def test_connections_that_wait_are_not_reset_when_the_listener_closes() -> None:
    """They are given to the caller, who answers them."""
    (listener,) = listen("127.0.0.1", 0)
    address = listener.getsockname()
    clients = [socket.create_connection(address, timeout=10) for _ in range(3)]
    last = list(last_connections(listener))
    assert listener.fileno() < 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=1)
    for connection in last:
        connection.sendall(b"answer")
        connection.close()
    for client in clients:
        assert client.recv(10) == b"answer"
        client.close()


def test_the_limit_of_descriptors_is_raised_as_far_as_it_goes() -> None:
    """Connections are fewer where it does not suffice; descriptors for models and workers stay free."""
    printed = subprocess.run([sys.executable, "-c", FEW], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    few, many, limit = map(int, printed.split())
    assert (few, limit) == (100, 1024)
    assert few < many < limit - 64
