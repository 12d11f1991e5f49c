"""A real engine process, whose main process and frontend are the test."""

import asyncio
import os
import socket
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from service.repository.checker import VersionChecker
from service.repository.lifecycle import Lifecycle
from service.server.ipc.dispatcher import EngineDispatcher, RemoteImage
from service.server.ipc.pixel_slots import PixelSlots
from service.server.ipc.protocol import Report
from service.server.workers import control_channel
from service.server.workers.plan import ProcessPlan
from service.server.workers.process import ManagedProcess
from service.settings import Settings
from tests.support.bundles import SIDE

LONG_S = 60


async def test_an_engine_process_serves_its_frontends_and_ends_after_them(repository: Path) -> None:
    """It reports every version, and outlives the main process while a frontend may have requests."""
    engine = ProcessPlan(1, 1).engines(Settings(models=repository, default_model="plain"))[0]
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    def on_message(_process: ManagedProcess, kind: bytes, _text: bytes, descriptors: Sequence[int]) -> None:
        control_channel.close_all(descriptors)
        heard.put_nowait(kind)

    engine.launch(on_message, lambda *_: None, Lifecycle(repository, "plain", VersionChecker(Settings(), 1, 1)).state)
    assert engine.process is not None
    assert engine.channel is not None
    try:
        slots, reports = PixelSlots(2, SIDE * SIDE * 3), asyncio.Queue[Report]()
        ours, theirs = socket.socketpair()
        dispatcher = EngineDispatcher(slots)
        frontend = asyncio.ensure_future(dispatcher.connect(ours, reports.put_nowait))
        engine.send(control_channel.LINK, descriptors=[theirs.detach()])
        assert await asyncio.wait_for(heard.get(), LONG_S) == control_channel.PREPARED
        found = [await asyncio.wait_for(reports.get(), LONG_S) for _ in range(3)]
        assert {report["version"].partition("@")[0] for report in found} == {"plain/1", "colours/1", "colours/2"}

        engine.send(control_channel.COMMIT, b"1")
        assert await asyncio.wait_for(heard.get(), LONG_S) == control_channel.RETIRED

        engine.channel.close()
        green = np.full((SIDE, SIDE, 3), (0, 255, 0), np.uint8)
        _, data = await asyncio.wait_for(dispatcher.submit(RemoteImage(found[0]["version"], green)), LONG_S)
        assert np.frombuffer(data, np.float32).argmax() == 1
        frontend.cancel()
        assert await asyncio.to_thread(engine.process.wait, LONG_S) == 0
        os.close(slots.descriptor)
    finally:
        engine.process.kill()
        engine.process.wait()
