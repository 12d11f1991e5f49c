"""Who gets a connection, with a real listener and places without processes."""

import asyncio
import socket
from collections.abc import Iterator, Sequence

import pytest

from service.server.workers import balancer
from service.server.workers.balancer import Door
from service.server.workers.process import Place


class Front(Place):
    """Without a process: says in `handed` that it got something."""

    handed: "asyncio.Queue[int]"

    def tell(self, kind: bytes, text: bytes = b"", descriptors: Sequence[int] = ()) -> None:
        super().tell(kind, text, descriptors)
        self.handed.put_nowait(self.number)


@pytest.fixture
def fronts() -> list[Place]:
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


async def test_the_front_with_the_fewest_gets_the_next(listener: socket.socket, fronts: list[Place]) -> None:
    """Until both have as many."""
    fronts[0].open_connections = 6
    Door([listener], fronts).watch()
    assert await arrive(listener, 10) == [2, 8]


async def test_news_of_a_client_that_left_may_come_late(listener: socket.socket, fronts: list[Place]) -> None:
    """It had as many connections to each front, and one has not told: who comes next is shared out all the same."""
    entrance = Door([listener], fronts)
    entrance.watch()
    assert await arrive(listener, 128) == [64, 64]
    entrance.ended(fronts[0], 50)
    entrance.ended(fronts[0], 14)
    assert await arrive(listener, 16) == [8, 8]
    entrance.ended(fronts[1], 60)
    entrance.ended(fronts[1], 4)
    assert await arrive(listener, 16) == [8, 8]
    assert [front.open_connections for front in fronts] == [16, 16]


async def test_who_had_fewer_before_gets_more(listener: socket.socket, fronts: list[Place]) -> None:
    """As when one has just been started."""
    fronts[0].open_connections = 40
    entrance = Door([listener], fronts)
    entrance.watch()
    entrance.ended(fronts[0], 20)
    assert await arrive(listener, 20) == [0, 20]


async def test_news_gets_old(listener: socket.socket, fronts: list[Place], monkeypatch: pytest.MonkeyPatch) -> None:
    """What a front has not told after a while, it has not lost."""
    monkeypatch.setattr(balancer, "_UNSURE_S", 0.0)
    entrance = Door([listener], fronts)
    entrance.watch()
    await arrive(listener, 32)
    entrance.ended(fronts[0], 12)
    assert await arrive(listener, 12) == [12, 0]


async def test_a_front_that_stands_still_is_presumed_once(listener: socket.socket, fronts: list[Place]) -> None:
    """However often the other one loses half of what it has."""
    for front in fronts:
        front.open_connections = 16
    entrance = Door([listener], fronts)
    entrance.watch()
    had = []
    for _ in range(40):
        lost = fronts[0].open_connections // 2
        entrance.ended(fronts[0], lost)
        await arrive(listener, lost)
        entrance._unsure_until -= 0.2
        had.append(fronts[1].open_connections)
    assert had[5:] == [had[5]] * 35


async def test_single_ends_are_no_news(listener: socket.socket, fronts: list[Place]) -> None:
    """Clients with a connection for each request: who answers sooner gets more of them."""
    entrance = Door([listener], fronts)
    entrance.watch()
    await arrive(listener, 32)
    for _ in range(8):
        entrance.ended(fronts[0], 1)
    assert await arrive(listener, 8) == [8, 0]


def test_a_front_that_has_died_is_presumed_nothing(fronts: list[Place]) -> None:
    """The next one begins with none."""
    entrance = Door([], fronts)
    fronts[0].open_connections = fronts[1].open_connections = 8
    entrance.ended(fronts[0], 8)
    assert fronts[1].presumed_ended == 8
    entrance.ended(fronts[1], 8)
    assert fronts[1].presumed_ended == fronts[1].open_connections == 0
