"""A real frontend process, whose main process is the test."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from service.repository.checker import VersionChecker
from service.repository.lifecycle import Lifecycle
from service.server.workers import control_channel
from service.server.workers.plan import ProcessPlan
from service.server.workers.process import ManagedProcess
from service.settings import Settings

LONG_S = 60


class MainProcess:
    """Records what the frontend sends to the main process."""

    def __init__(self, models: Path) -> None:
        settings = Settings(models=models, default_model="plain", drain_delay_s=0)
        self.frontend = ProcessPlan(1, 0).frontends(settings)[0]
        self._messages: asyncio.Queue[bytes] = asyncio.Queue()
        state = Lifecycle(models, "plain", VersionChecker(settings, 1, 1)).state
        self.frontend.launch(self._on_message, lambda *_: None, state)

    def _on_message(self, _process: ManagedProcess, kind: bytes, _text: bytes, descriptors: Sequence[int]) -> None:
        control_channel.close_all(descriptors)
        self._messages.put_nowait(kind)

    async def heard(self) -> bytes:
        return await asyncio.wait_for(self._messages.get(), LONG_S)

    async def status(self) -> int:
        assert self.frontend.process is not None
        return await asyncio.to_thread(self.frontend.process.wait, LONG_S)


@pytest.fixture
async def main_process(repository: Path) -> AsyncIterator[MainProcess]:
    main_process = MainProcess(repository)
    assert await main_process.heard() == control_channel.STARTED
    yield main_process
    assert main_process.frontend.process is not None
    main_process.frontend.process.kill()
    await main_process.status()
    if main_process.frontend.channel is not None:
        main_process.frontend.channel.close()


async def ask(main_process: MainProcess, listener: socket.socket, path: bytes) -> bytes:
    """All that a client gets whose connection is passed on; it ends the connection."""
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    connection, _ = listener.accept()
    main_process.frontend.send(control_channel.CONNECTION, descriptors=[connection.detach()])
    writer.write(b"GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % path)
    answer = await asyncio.wait_for(reader.read(), LONG_S)
    writer.close()
    return answer


async def test_a_frontend_answers_on_the_connections_that_it_is_given(main_process: MainProcess) -> None:
    """It says when one has ended, and is ready when the main process has confirmed that."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert (await ask(main_process, listener, b"/livez")).startswith(b"HTTP/1.1 200")
        assert {await main_process.heard(), await main_process.heard()} == {
            control_channel.CONNECTION_CLOSED,
            control_channel.PREPARED,
        }
        assert b"loading and verifying" in await ask(main_process, listener, b"/readyz")
        main_process.frontend.send(control_channel.COMMIT, b"1")
        assert (await ask(main_process, listener, b"/readyz")).startswith(b"HTTP/1.1 200")


async def test_a_frontend_without_a_main_process_ends(main_process: MainProcess) -> None:
    """With status 0: it owes no answer."""
    assert main_process.frontend.channel is not None
    main_process.frontend.channel.close()
    assert await main_process.status() == 0
