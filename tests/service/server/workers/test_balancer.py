"""Who gets a connection, with a real listener and places without processes."""

import asyncio
import socket
from collections.abc import Iterator, Sequence

import pytest

from service.server.workers.balancer import ConnectionBalancer
from service.server.workers.process import ManagedProcess


class Front(ManagedProcess):
    """Without a process: says in `handed` that it got something."""

    handed: "asyncio.Queue[int]"

    def tell(self, kind: bytes, text: bytes = b"", descriptors: Sequence[int] = ()) -> None:
        super().tell(kind, text, descriptors)
        self.handed.put_nowait(self.number)


@pytest.fixture
def fronts() -> list[ManagedProcess]:
    Front.handed = asyncio.Queue()
    return [Front("front", number, "", {}, up=True, ready=True) for number in range(2)]


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        yield listener


async def arrive(listener: socket.socket, many: int) -> list[int]:
    """How many of them each front got."""
    clients = [socket.create_connection(listener.getsockname()) for _ in range(many)]
    got = [await Front.handed.get() for _ in clients]
    for client in clients:
        client.close()
    return [got.count(0), got.count(1)]


async def test_the_front_with_the_fewest_gets_the_next(listener: socket.socket, fronts: list[ManagedProcess]) -> None:
    """Until both have as many."""
    fronts[0].open_connections = 6
    ConnectionBalancer([listener], fronts).watch()
    assert await arrive(listener, 10) == [2, 8]


async def test_who_had_fewer_before_gets_more(listener: socket.socket, fronts: list[ManagedProcess]) -> None:
    """As when one has just been started."""
    fronts[0].open_connections = 40
    entrance = ConnectionBalancer([listener], fronts)
    entrance.watch()
    entrance.ended(fronts[0], 20)
    assert await arrive(listener, 20) == [0, 20]


async def test_single_ends_are_no_news(listener: socket.socket, fronts: list[ManagedProcess]) -> None:
    """Clients with a connection for each request: who answers sooner gets more of them."""
    entrance = ConnectionBalancer([listener], fronts)
    entrance.watch()
    await arrive(listener, 32)
    for _ in range(8):
        entrance.ended(fronts[0], 1)
    assert await arrive(listener, 8) == [8, 0]
