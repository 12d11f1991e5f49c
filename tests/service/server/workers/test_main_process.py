"""The side of a frontend or an engine process, with a real channel to a main process that the test plays."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Sequence

import pytest

from service.errors import NotReady
from service.repository.state import RepositoryState, VersionRecord
from service.server.workers import main_process
from service.server.workers.control_channel import (
    DEGRADED,
    PING,
    SCRAPE,
    SNAPSHOT,
    ControlChannel,
    pair,
    read_memfd,
    to_memfd,
)
from service.server.workers.main_process import MainProcess, WorkerConfig
from service.settings import Settings
from service.telemetry.metrics import Metrics


class Played:
    """The main process: what it was sent, and the process's connection to it."""

    def __init__(self) -> None:
        ours, theirs = pair()
        self.received: asyncio.Queue[tuple[bytes, bytes, Sequence[int]]] = asyncio.Queue()
        self.channel = ControlChannel(ours, lambda *message: self.received.put_nowait(message), lambda: None)
        self.other = MainProcess(theirs, Metrics())
        self.passed_on: asyncio.Queue[bytes] = asyncio.Queue()
        self.ended = asyncio.Event()
        self.other.connect(lambda kind, _text, _descriptors: self.passed_on.put_nowait(kind), self.ended.set)


@pytest.fixture
async def played() -> AsyncIterator[Played]:
    played = Played()
    yield played
    played.channel.close()
    await played.ended.wait()


async def test_heartbeats_and_metrics_are_answered(played: Played) -> None:
    """Other messages are the process's own."""
    for kind, text in ((PING, b""), (SNAPSHOT, b"5"), (DEGRADED, b"")):
        played.channel.send(kind, text)
    assert (await played.received.get())[0] == PING
    kind, number, (descriptor,) = await played.received.get()
    assert (kind, number) == (SNAPSHOT, b"5")
    assert "snellen_requests" in {family[0] for family in json.loads(read_memfd(descriptor))}
    assert await played.passed_on.get() == DEGRADED


async def test_a_scrape_returns_the_sum_as_text(played: Played) -> None:
    """Each gets the answer to its own."""
    scrapes = [asyncio.ensure_future(played.other.scrape()) for _ in range(2)]
    for value in (1.0, 2.0):
        kind, token, _ = await played.received.get()
        assert kind == SCRAPE
        families = [["snellen_images", "counter", "Images", [["snellen_images_total", {"model": "a"}, value]]]]
        played.channel.send(SCRAPE, token, [to_memfd(json.dumps(families).encode())])
    for text, expected in zip(await asyncio.gather(*scrapes), ("1.0", "2.0"), strict=True):
        assert f'snellen_images_total{{model="a"}} {expected}' in text.decode()


async def test_a_scrape_does_not_wait_for_ever(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does its late answer disturb anything."""
    monkeypatch.setattr(main_process, "_SCRAPE_TIMEOUT_S", 0.01)
    with pytest.raises(NotReady):
        await played.other.scrape()
    _, token, _ = await played.received.get()
    played.channel.send(SCRAPE, token, [to_memfd(b"[]")])
    played.channel.send(DEGRADED)
    assert await played.passed_on.get() == DEGRADED


def test_a_configuration_arrives_as_it_was_written() -> None:
    """With the state to prepare first."""
    state = RepositoryState(3, {"a/1": VersionRecord("a/1", "one", "ready")}, "a", {"a": 1}, broken=frozenset({"b"}))
    config = {"settings": Settings(max_queue=7).model_dump(mode="json"), "number": 1, "frontends": 2, "engines": 0}
    read = WorkerConfig.from_json(json.dumps(config | {"state": state.to_json().decode()}).encode())
    assert (read.settings.max_queue, read.number, read.frontends, read.engines) == (7, 1, 2, 0)
    assert read.state == state


def test_nothing_is_sent_before_the_connection_is_made() -> None:
    """A scrape of a process that is starting must not fail for it."""
    ours, theirs = pair()
    with ours, theirs:
        MainProcess(theirs, Metrics()).send(PING)
        ours.setblocking(False)
        with pytest.raises(BlockingIOError):
            ours.recv(1, socket.MSG_PEEK)
