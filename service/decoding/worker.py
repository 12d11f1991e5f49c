"""The parent's side of a decode worker process: start it, send requests, and replace it after its death."""

import asyncio
import contextlib
import functools
import json
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

from service.decoding.decode import Decoded
from service.decoding.worker_ipc import HEAD_BYTES, Message, lengths_of
from service.decoding.worker_main import READY, decode_reply
from service.errors import CorruptImage, DecodeLimit, NotReady
from service.memfd import unnamed_file
from service.tasks import begin

logger = logging.getLogger(__name__)

_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",  # threads and arenas take address space
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),  # the maximum; below it, large pixel buffers are mapped anew each time
    "MALLOC_TRIM_THRESHOLD_": str(64 << 20),
}
IDLE_S = 60.0
"""Time after which a worker without work is ended; it holds some 50 MiB, and is started again in half a second."""
_GRACE_S = 1.0
"""Time beyond the limit of a decode after which a worker is killed that has not ended itself."""
_START_S = 60.0
"""Time for a worker to start; half a second on an idle machine."""
_BUFFER_BYTES = 1024 * 1024
"""Limit of the bytes that are read ahead from a worker."""
_DIED = "the decoder died on this image; send it encoded anew"
_MESSAGE_BYTES = 2000
"""Limit of the part of a worker's stderr that is logged, in bytes."""


@dataclass(frozen=True)
class WorkerLimits:
    """Limits of one decode in a worker process. Reaching one ends the process."""

    time_s: float
    memory_bytes: int


class _Died(Exception):
    """The worker ended during an exchange. `status`: its exit status as in `subprocess`."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass
class _Running:
    """A worker process that has reported that it is ready, with its socket.

    limit_s: time for an exchange, longer than the worker's own limit, for a worker that is stopped or hangs.
    """

    process: subprocess.Popen[bytes]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    limit_s: float

    @property
    def alive(self) -> bool:
        """Whether a message can be sent: neither the process nor its socket has ended."""
        return self.process.poll() is None and not self.writer.is_closing() and not self.reader.at_eof()

    async def exchange(self, frame: Message) -> Message:
        """Send a request and return the reply. Raises _Died."""
        try:
            async with asyncio.timeout(self.limit_s):
                self.writer.writelines(frame.packed())
                await self.writer.drain()
                head, payload = lengths_of(await self.reader.readexactly(HEAD_BYTES))
                return Message(json.loads(await self.reader.readexactly(head)), await self.reader.readexactly(payload))
        except (asyncio.IncompleteReadError, ConnectionError, TimeoutError):
            raise _Died(await self.kill()) from None

    async def kill(self) -> int:
        """Kill the process and return its exit status."""
        return await _end(self.process, self.writer)


def decode_in_new_process(request: Message, limits: WorkerLimits) -> Decoded:
    """Decode an image in a worker process that ends with it, for callers without an event loop; takes half a second.

    Raises the ImageError of the worker, DecodeLimit when it ran out of time, CorruptImage when it died of the image.
    """
    done = subprocess.run(  # noqa: S603  the command is ours
        _command(limits),
        input=b"".join(request.packed()),
        capture_output=True,
        check=False,
        env=os.environ | _ENVIRONMENT,
    )
    if done.returncode == -signal.SIGALRM:
        raise _out_of_time(limits)
    if done.returncode != 0:
        logger.debug("a decode worker ended with %d: %s", done.returncode, done.stderr[-_MESSAGE_BYTES:])
        raise CorruptImage(_DIED)
    reply = done.stdout.removeprefix(READY)
    head, payload = lengths_of(reply[:HEAD_BYTES])
    text = reply[HEAD_BYTES:][:head]
    return decode_reply(Message(json.loads(text), reply[HEAD_BYTES + head :][:payload]))


def _out_of_time(limits: WorkerLimits) -> DecodeLimit:
    return DecodeLimit(f"decoding this image takes more than {limits.time_s:g} s; send it smaller, or encoded anew")


class DecodeWorker:
    """One worker process, replaced after its death. Serves one caller at a time."""

    def __init__(self, limits: WorkerLimits, on_restart: Callable[[], None], idle_s: float = IDLE_S) -> None:
        """idle_s: time without an image after which the process is ended; the next image starts another one."""
        self._limits = limits
        self._on_restart = on_restart
        self._idle_s = idle_s
        self._running: _Running | None = None
        self._idle_timer: asyncio.TimerHandle | None = None
        self._ending: set[asyncio.Task[int]] = set()

    @property
    def pid(self) -> int | None:
        """The process id; None before the first start."""
        return self._running.process.pid if self._running else None

    async def ask(self, frame: Message) -> Message:
        """Return the reply of a worker. If the worker dies, try once more with a new one.

        Raises DecodeLimit when the worker ran out of time, CorruptImage when two workers died of this image, NotReady
        when the second one cannot be started.
        """
        try:
            return await self._ask_once(frame)
        except (_Died, NotReady):
            pass
        try:
            return await self._ask_once(frame)
        except _Died:
            raise CorruptImage(_DIED) from None

    async def _ask_once(self, frame: Message) -> Message:
        running = await self._ready()
        try:
            return await running.exchange(frame)
        except _Died as death:
            self._running = None
            self._on_restart()
            if death.status == -signal.SIGALRM:
                raise _out_of_time(self._limits) from None
            raise

    def rest(self) -> None:
        """End the process after a while, unless there is another image for it."""
        self._stay()
        self._idle_timer = asyncio.get_running_loop().call_later(self._idle_s, self._end)

    def _stay(self) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None

    def _end(self) -> None:
        self._idle_timer = None
        if self._running is not None:
            running, self._running = self._running, None
            begin(running.kill(), self._ending)

    async def stop(self) -> None:
        """End the process, whatever it does."""
        self._stay()
        running, self._running = self._running, None
        if running is not None:
            await running.kill()
        await asyncio.gather(*self._ending)

    async def _ready(self) -> _Running:
        self._stay()
        if self._running is not None and not self._running.alive:
            await self.stop()
            self._on_restart()
        if self._running is None:
            self._running = await self._started()
        return self._running

    async def _started(self) -> _Running:
        """Return a new worker. Raises NotReady; the reason is in the log."""
        messages = unnamed_file("snellen-decoding-messages")
        try:
            running = await _launched(self._limits, messages)
        except (OSError, asyncio.IncompleteReadError) as error:
            logger.error("a decode worker could not be started: %s %s", error, _text(messages))
            raise NotReady("no process can be started to decode this image; send it again in a moment") from None
        else:
            _warn_once(_text(messages))
            return running
        finally:
            os.close(messages)


def _text(messages: int) -> str:
    """Return the end of what a worker has written to its stderr."""
    written = os.pread(messages, _MESSAGE_BYTES, max(0, os.fstat(messages).st_size - _MESSAGE_BYTES))
    return written.decode(errors="replace").strip()


@functools.cache
def _warn_once(text: str) -> None:
    """Log what a worker that is ready has to say, such as a limit that this platform does not enforce."""
    if text:
        logger.warning("decode workers: %s", text)


def _command(limits: WorkerLimits) -> list[str]:
    # -P: do not import a folder `service` of the working directory
    module = ("-P", "-m", "service.decoding.worker_main")
    return [sys.executable, *module, str(limits.time_s), str(limits.memory_bytes)]


async def _launched(limits: WorkerLimits, messages: int) -> _Running:
    """Return a worker that has reported that it is ready.

    Uses `subprocess`, which closes every descriptor that the child is not given; uvloop's process support does not.
    messages: descriptor of a file for what the worker writes to stderr, for example a traceback before it is ready.
    Raises OSError, which TimeoutError is too, and IncompleteReadError.
    """
    ours, theirs = socket.socketpair()
    try:
        with theirs:
            process = subprocess.Popen(  # noqa: ASYNC220,S603  returns once the child runs, in milliseconds
                _command(limits),
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=messages,
                start_new_session=True,  # Ctrl-C in a terminal reaches the service only, which drains first
                env=os.environ | _ENVIRONMENT,
            )
    except BaseException:
        ours.close()
        raise
    writer: asyncio.StreamWriter | None = None
    try:
        ours.setblocking(False)
        reader, writer = await asyncio.open_unix_connection(sock=ours, limit=_BUFFER_BYTES)
        async with asyncio.timeout(_START_S):
            await reader.readexactly(len(READY))
    except BaseException:  # a cancellation too: no process is left behind
        await _end(process, writer or ours)
        raise
    return _Running(process, reader, writer, limits.time_s + _GRACE_S)


async def _end(process: subprocess.Popen[bytes], way: asyncio.StreamWriter | socket.socket) -> int:
    """Kill a process that may have ended, close the way to it, and return its exit status."""
    way.close()
    process.kill()  # does nothing if the process has been waited for
    status = await asyncio.to_thread(process.wait)
    if isinstance(way, asyncio.StreamWriter):
        with contextlib.suppress(OSError):
            await way.wait_closed()
    return status
