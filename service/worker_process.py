"""One decode worker as the service sees it: started, asked, and lost when it reaches its limits."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass

from service.decode_channel import HEAD_BYTES, SHARED_BYTES, Channel, Frame, Lengths
from service.decode_worker import READY
from service.errors import CorruptImage, DecodeLimit
from service.sealed_memory import sealed_memory

_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",  # threads and arenas take address space
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),  # the most; else large pixels are new pages each time
    "MALLOC_TRIM_THRESHOLD_": str(64 << 20),
}


@dataclass(frozen=True)
class WorkerLimits:
    """Of one decode in a worker process; reaching one ends the process."""

    time_s: float
    memory_bytes: int


class Worker:
    """One worker process, asked by one caller at a time and started again when it has died."""

    def __init__(self, limits: WorkerLimits, on_loss: Callable[[], None]) -> None:
        self._limits = limits
        self._on_loss = on_loss
        self._process: asyncio.subprocess.Process | None = None
        self._channel: Channel | None = None

    async def start(self) -> asyncio.subprocess.Process:
        if self._process is None:
            memory = sealed_memory("snellen-decoding", SHARED_BYTES)
            try:
                self._process = await self._started(memory)
                self._channel = Channel(memory)
            finally:
                os.close(memory)
        return self._process

    async def _started(self, memory: int) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # a folder `service` where the service was started is not ours
            "-m",
            "service.decode_worker",
            str(self._limits.time_s),
            str(self._limits.memory_bytes),
            str(memory),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            pass_fds=(memory,),
            start_new_session=True,  # Ctrl-C in a terminal is for the service, which drains first
            env=os.environ | _ENVIRONMENT,
        )
        assert process.stdout is not None
        await process.stdout.readexactly(len(READY))
        return process

    async def ask(self, frame: Frame) -> Frame:
        """The answer. Raises DecodeLimit when the worker ran out of time, CorruptImage when it died otherwise."""
        started = asyncio.get_running_loop().time()
        try:
            return await self._exchange(await self.start(), frame)
        except (asyncio.IncompleteReadError, ConnectionError):
            await self.stop()
            self._on_loss()
            if asyncio.get_running_loop().time() - started >= self._limits.time_s:
                raise DecodeLimit(
                    f"decoding this image takes more than {self._limits.time_s:g} s; send it smaller, or encoded anew"
                ) from None
            raise CorruptImage("the decoder died on this image; send it encoded anew") from None

    async def _exchange(self, process: asyncio.subprocess.Process, frame: Frame) -> Frame:
        channel = self._channel
        assert process.stdin is not None
        assert process.stdout is not None
        assert channel is not None
        for part in channel.pack(frame):
            process.stdin.write(part)
        await process.stdin.drain()
        lengths = Lengths.of(await process.stdout.readexactly(HEAD_BYTES))
        head = await process.stdout.readexactly(lengths.head)
        return channel.unpack(lengths, head, await process.stdout.readexactly(lengths.piped))

    async def stop(self) -> None:
        """Kill it, whatever it does."""
        process, self._process = self._process, None
        self._channel = None  # whoever is in the middle of an exchange has it still
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
