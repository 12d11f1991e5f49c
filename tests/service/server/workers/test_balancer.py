"""Who gets a connection, with a real listener and frontends without processes."""

import asyncio
import socket
from collections.abc import Iterator, Sequence

import pytest

from service.server.workers.balancer import ConnectionBalancer
from service.server.workers.control_channel import CONNECTION
from service.server.workers.process import ManagedProcess


class Frontend(ManagedProcess):
    """Without a process: says in `handed` that it got something."""

    handed: "asyncio.Queue[int]"

    def send(self, kind: bytes, text: bytes = b"", descriptors: Sequence[int] = ()) -> None:
        super().send(kind, text, descriptors)
        self.handed.put_nowait(self.number)


@pytest.fixture
def frontends() -> list[ManagedProcess]:
    Frontend.handed = asyncio.Queue()
    return [Frontend("frontend", number, "", {}, up=True, ready=True) for number in range(2)]


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        yield listener


async def arrive(listener: socket.socket, many: int) -> list[int]:
    """How many of them each frontend got."""
    clients = [socket.create_connection(listener.getsockname()) for _ in range(many)]
    got = [await Frontend.handed.get() for _ in clients]
    for client in clients:
        client.close()
    return [got.count(0), got.count(1)]


async def test_the_front_with_the_fewest_gets_the_next(
    listener: socket.socket, frontends: list[ManagedProcess]
) -> None:
    """Until both have as many."""
    frontends[0].open_connections = 6
    ConnectionBalancer([listener], frontends).update_listening()
    assert await arrive(listener, 10) == [2, 8]


async def test_who_had_fewer_before_gets_more(listener: socket.socket, frontends: list[ManagedProcess]) -> None:
    """As when one has just been started."""
    frontends[0].open_connections = 40
    balancer = ConnectionBalancer([listener], frontends)
    balancer.update_listening()
    frontends[0].open_connections -= 20
    assert await arrive(listener, 20) == [0, 20]


async def test_single_ends_are_no_news(listener: socket.socket, frontends: list[ManagedProcess]) -> None:
    """Clients with a connection for each request: who answers sooner gets more of them."""
    balancer = ConnectionBalancer([listener], frontends)
    balancer.update_listening()
    await arrive(listener, 32)
    for _ in range(8):
        frontends[0].open_connections -= 1
    assert await arrive(listener, 8) == [8, 0]


async def test_a_connection_that_was_not_received_goes_to_another_frontend(frontends: list[ManagedProcess]) -> None:
    """The one it was meant for is ending; where there is no other, the connection waits for the next."""
    balancer = ConnectionBalancer([], frontends)
    for taken_by, others in ((1, [1]), (0, [])):
        frontends[1].up = frontends[1].ready = 1 in others
        frontends[0].up = frontends[0].ready = True
        one, other = socket.socketpair()
        balancer.take_back(frontends[0], CONNECTION, [one.detach()])
        if not others:
            assert Frontend.handed.empty()
            frontends[0].up = True
            balancer.update_listening()
        assert await Frontend.handed.get() == taken_by
        other.close()
