"""Versions whose networks run in engine processes: when they are ready, and what /readyz hears of it."""

import asyncio
import json
import math
import os
import socket
from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from models.contract import read_bundle
from service.batching.dense_queue import DenseLimits
from service.engine.profile import BatchSeconds, Measurement, Profile
from service.repository.loader import ModelLimits
from service.repository.state import RepositoryState
from service.repository.version import ModelVersion
from service.server.ipc.pixel_slots import PixelSlots
from service.server.ipc.protocol import HELLO, REQUEST, RESPONSE, Kind, Report, RequestHeader, frames
from service.server.ipc.remote_engine import RemoteLoader
from service.server.workers.control_channel import close_all, receive
from service.telemetry.health import Health
from service.telemetry.metrics import Metrics
from service.types import EngineInfo, ReadyPixels
from tests.support.bundles import SIDE


class Frontend:
    """A loader for two engine processes, which the test plays."""

    def __init__(self, repository: Path) -> None:
        self.health = Health()
        self.slots = PixelSlots(2, SIDE * SIDE * 3)
        limits = ModelLimits(8, DenseLimits(1000, 1000, 1))
        self.loader = RemoteLoader(self.slots, limits, Metrics(), self.health, frontends=1, engines=2)
        self.version = ModelVersion(read_bundle(repository / "plain" / "1"))

    async def engine(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A new engine process, which has received the slots."""
        ours, theirs = socket.socketpair()
        self.loader.connect(ours)
        close_all((await asyncio.to_thread(receive, theirs, HELLO.size, 1))[1])
        return await asyncio.open_unix_connection(sock=theirs)

    def report(self, state: str) -> Report:
        report = {"version": self.version.identity, "model": 5, "state": state, "reason": "no memory"}
        if state == "ready":
            chosen = Measurement(
                precision="fp32", provider="cuda", concurrency=2, threads_per_batch=1, batch_size=8, seconds=0.02
            )
            points = (BatchSeconds(1, 0.01), BatchSeconds(8, 0.02))
            profile = Profile(chosen=chosen, points=points, alone_s=0.01, reason="tested")
            report |= {"engine": asdict(EngineInfo("cuda", 2, 1, 1)), "profile": profile.model_dump(mode="json")}
        return report


@pytest.fixture
async def frontend(repository: Path) -> AsyncIterator[Frontend]:
    frontend = Frontend(repository)
    yield frontend
    os.close(frontend.slots.descriptor)


def send(writer: asyncio.StreamWriter, kind: Kind, number: int, data: bytes, energy: float = math.nan) -> None:
    writer.write(RESPONSE.pack(kind, 0, 0, number, 0, 0.5, energy, 3, len(data)) + data)


async def test_a_version_is_ready_when_one_engine_process_serves_it(frontend: Frontend) -> None:
    """Though another has rejected it; images go to the one that serves it, under its number."""
    (_, failed), (reader, ready) = await frontend.engine(), await frontend.engine()
    loading = asyncio.ensure_future(frontend.loader.load(frontend.version, None))
    send(failed, Kind.REPORT, 0, json.dumps(frontend.report("failed")).encode())
    send(ready, Kind.REPORT, 0, json.dumps(frontend.report("ready")).encode())
    assert await loading is None
    deployment = frontend.version.serving
    assert deployment is not None
    assert (deployment.engine.provider, deployment.precision, deployment.max_batch_size) == ("cuda", "fp32", 8)

    asked = asyncio.ensure_future(deployment.batcher.submit(ReadyPixels(np.zeros((SIDE, SIDE, 3), np.uint8))))
    request = RequestHeader(*(await anext(frames(reader, REQUEST)))[0])
    assert (request.kind, request.model) == (Kind.CLASSIFY, 5)
    send(ready, Kind.ANSWER, request.number, np.array([0.1, 0.7, 0.2], np.float32).tobytes())
    result = await asked
    assert (int(result.probabilities.argmax()), result.infer_s) == (1, 0.5)
    assert (result.class_map, result.energy, result.batch_size) == (None, None, 3)

    asked = asyncio.ensure_future(deployment.batcher.submit(ReadyPixels(np.zeros((SIDE, SIDE, 3), np.uint8))))
    request = RequestHeader(*(await anext(frames(reader, REQUEST)))[0])
    send(ready, Kind.ANSWER, request.number, np.array([0.1, 0.7, 0.2], np.float32).tobytes(), energy=-1.25)
    assert (await asked).energy == -1.25
    for writer in (failed, ready):
        writer.close()


async def test_a_version_has_failed_when_all_engine_processes_reject_it(frontend: Frontend) -> None:
    """With the reason of the last one."""
    writers = [(await frontend.engine())[1] for _ in range(2)]
    loading = asyncio.ensure_future(frontend.loader.load(frontend.version, None))
    send(writers[0], Kind.REPORT, 0, json.dumps(frontend.report("failed")).encode())
    await asyncio.wait([loading], timeout=0.05)
    assert not loading.done()
    send(writers[1], Kind.REPORT, 0, json.dumps(frontend.report("failed")).encode())
    assert await loading == "no memory"
    assert frontend.version.serving is None
    for writer in writers:
        writer.close()


async def test_a_version_that_is_no_longer_wanted_is_not_waited_for(frontend: Frontend) -> None:
    """Whether loading it has begun before or begins afterwards."""
    loading = asyncio.ensure_future(frontend.loader.load(frontend.version, None))
    await asyncio.sleep(0)
    frontend.loader.abandon_all_but(RepositoryState())
    assert await loading == "it is no longer wanted"
    assert await frontend.loader.load(frontend.version, None) == "it is no longer wanted"


async def test_readiness_ends_with_the_last_engine_process(frontend: Frontend) -> None:
    """Until another one serves a model."""
    _, writer = await frontend.engine()
    send(writer, Kind.REPORT, 0, json.dumps(frontend.report("ready")).encode())
    await frontend.loader.load(frontend.version, None)
    assert not frontend.health.not_ready_reasons
    writer.close()
    await asyncio.gather(*frontend.loader._tasks)
    assert frontend.health.not_ready_reasons
