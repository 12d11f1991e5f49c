"""The engine process's side, with real engines and a real frontend's side at the other end of the stream."""

import asyncio
import math
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.contract import Pixels
from service.errors import NotReady
from service.repository.version import ModelVersion
from service.server.ipc.dispatcher import EngineDispatcher, RemoteImage
from service.server.ipc.engine_server import accept_frontend
from service.server.ipc.pixel_slots import PixelSlots
from tests.support.bundles import SIDE, write_bundle
from tests.support.deployments import loadable

GREEN: Pixels = np.full((SIDE, SIDE, 3), (0, 255, 0), np.uint8)


class Frontend:
    """A dispatcher, connected to an engine process's side that serves one version."""

    def __init__(self, version: ModelVersion) -> None:
        self.version = version
        self.slots = PixelSlots(2, SIDE * SIDE * 3)
        self.dispatcher = EngineDispatcher(self.slots)
        self.energy = math.nan

    async def connect(self) -> "list[asyncio.Task[None]]":
        """Return the tasks of both sides, once the version is served."""
        ours, theirs = socket.socketpair()
        reported = asyncio.Event()
        here = asyncio.ensure_future(self.dispatcher.connect(ours, lambda _report: reported.set()))
        engine = await accept_frontend(theirs, {0: self.version})
        assert engine is not None
        engine.report({"version": self.version.identity, "model": 0, "state": "ready"})
        there = asyncio.ensure_future(engine.run())
        await reported.wait()
        return [here, there]

    async def classify(self, **options: Any) -> tuple[int, int, int]:
        """The index of the most probable class; rows and columns of the class map that came too."""
        reply, data = await self.dispatcher.submit(RemoteImage(self.version.identity, GREEN, **options))
        numbers = np.frombuffer(data, np.float32)
        assert numbers.size == 3 * (1 + bool(options.get("dense")) + reply.rows * reply.columns)
        self.energy = reply.energy
        return int(numbers[:3].argmax()), reply.rows, reply.columns


@asynccontextmanager
async def connected(repository: Path, model: str) -> AsyncIterator[Frontend]:
    registry = loadable(repository, model)
    await registry.load()
    frontend = Frontend(registry.find(model))
    here, there = await frontend.connect()
    yield frontend
    here.cancel()
    await asyncio.wait([here, there], timeout=10)
    assert there.done()  # it ends with the frontend
    await registry.close()
    os.close(frontend.slots.descriptor)


@pytest.fixture
async def frontend(repository: Path) -> AsyncIterator[Frontend]:
    async with connected(repository, "plain") as frontend:
        yield frontend


async def test_an_image_in_a_slot_is_classified(frontend: Frontend) -> None:
    """With the class map, where it was asked for; then its slot is free."""
    assert await frontend.classify() == (1, 0, 0)
    assert (await frontend.classify(class_map=True)) == (1, SIDE, SIDE)
    assert frontend.slots.free == 2


async def test_a_dense_image_is_sent_with_its_message(frontend: Frontend) -> None:
    """It takes no slot, since its size is its own."""
    assert await frontend.classify(dense=True) == (1, SIDE, SIDE)
    assert frontend.slots.free == 2


async def test_an_error_arrives_as_it_was(frontend: Frontend) -> None:
    """And the slot is free."""
    version = frontend.version
    deployment, version.serving = version.serving, None
    with pytest.raises(NotReady, match="the version has retired"):
        await frontend.classify()
    version.serving = deployment
    assert frontend.slots.free == 2


async def test_a_frontend_that_ends_before_its_slots_came_is_no_error() -> None:
    """There is no connection then."""
    ours, theirs = socket.socketpair()
    ours.close()
    assert await accept_frontend(theirs, {}) is None


async def test_an_energy_is_sent_with_the_answer(tmp_path: Path, frontend: Frontend) -> None:
    """To the last bit, also of a dense image; it is NaN where the bundle has no threshold."""
    write_bundle(tmp_path, energy_threshold=-8)
    async with connected(tmp_path, "colours") as other:
        await other.classify()
        first = other.energy
        await other.classify(dense=True)
    assert first == other.energy == np.float32(first)
    assert first == pytest.approx(-np.log(np.exp(10) + 2))
    await frontend.classify()
    assert math.isnan(frontend.energy)
