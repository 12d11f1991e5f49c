"""Checks a version in a child process, before a serving process opens it.

A graph that crashes the runtime, or that takes all memory, ends the child and no process that answers requests.
"""

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from models.contract import Bundle, Precision
from service.engine.profile import Profile
from service.memfd import unnamed_file
from service.repository.available_memory import available_bytes
from service.settings import MIB, Settings

logger = logging.getLogger(__name__)

MEASURED = "measured"
"""From the child: hashes, graph and golden images have passed, and one more configuration has been timed."""
PASSED = "passed"
"""From the child: the version may be served, with its profile and its memory."""
REFUSED = "refused"
"""From the child: the version may not be served, with the reason."""
SILENCE_S = 600.0
"""Limit in seconds between two messages of a child; opening a graph of several GiB at low priority takes minutes."""
_SHARE = 0.8
"""Share of the available memory that a child may take; the rest is for requests that are answered meanwhile."""
NICE = 19
"""The lowest priority: a child gets the time that serving processes leave."""
_FIRST_TO_END = 1000
"""The kernel's highest oom_score_adj: where memory runs out, it ends the child before any other process."""
_MESSAGE_BYTES = 1024 * 1024
"""Limit of one message of a child."""
_TEXT_BYTES = 4000
"""Limit of the part of a child's stderr that is read, in bytes."""
_OUT_OF_MEMORY = ("bad_alloc", "Failed to allocate memory", "MemoryError", "Cannot allocate memory")
"""What onnxruntime, the C++ library, Python and the kernel write when memory cannot be allocated."""
_POLL_S = 0.01
"""Seconds between two looks for the end of a child."""

_Message = dict[str, Any]


class CheckFailed(Exception):
    """The version may not be served; the text is the reason, one sentence for operators and clients."""


@dataclass(frozen=True)
class Checked:
    """The result of a check.

    peak_bytes: most resident memory that opening the version with its profile took, beyond that of a process without
    models.
    """

    profile: Profile
    peak_bytes: int


@dataclass(frozen=True)
class CheckWork:
    """What a child is to check, and how.

    settings, cores: of a serving process. path: of the bundle. sha256: of its manifest. memory_bytes: limit of the
    memory that it may allocate, None for none.
    """

    settings: Settings
    cores: int
    path: str
    sha256: str
    memory_bytes: int | None

    @classmethod
    def from_json(cls, text: bytes) -> "CheckWork":
        read = json.loads(text)
        return cls(**{**read, "settings": Settings.model_validate(read["settings"])})

    def to_json(self) -> bytes:
        """Return one line."""
        return json.dumps({**vars(self), "settings": self.settings.model_dump(mode="json")}).encode() + b"\n"


class VersionChecker:
    """Starts a child process for each check, one at a time."""

    def __init__(
        self,
        settings: Settings,
        cores: int,
        copies: int,
        environment: Mapping[str, str] = {},
        silence_s: float = SILENCE_S,
        nice: int = NICE,
    ) -> None:
        """Create a checker without a child.

        settings, cores: of one serving process, so that the profile fits it. copies: number of serving processes that
        will open the version. environment: further variables of the child. silence_s: time without a message after
        which a child is killed. nice: priority of a child.
        """
        self._settings, self._cores, self._copies = settings, cores, copies
        self._environment, self._silence_s, self._nice = environment, silence_s, nice
        self._one_at_a_time = asyncio.Lock()
        self._child: _Child | None = None

    @property
    def pid(self) -> int | None:
        """The process id of the running child; None without one."""
        return self._child.pid if self._child is not None else None

    async def check(self, bundle: Bundle, on_warming: Callable[[], None]) -> Checked:
        """Check a version and tune it into the profile cache. Cancelling kills the child.

        on_warming: called once, when hashes, graph and golden images have passed and tuning begins.
        Raises CheckFailed.
        """
        async with self._one_at_a_time:
            files = _bytes_to_open(bundle, self._settings.precision)
            self._check_memory(f"its files alone take {_mib(files)}", files)
            checked = await self._checked_by_child(bundle, on_warming)
            self._check_memory(f"it takes {_mib(checked.peak_bytes)}", checked.peak_bytes)
            return checked

    def child_ended(self, pid: int, status: int) -> bool:
        """Take note of a child whose exit status was collected elsewhere, and return whether it was one of these.

        For a process that collects the status of any child, with `os.waitpid(-1, ...)`: the reason of a failed check
        then names the signal. status: as returned by `os.waitpid`.
        """
        if self._child is None or self._child.pid != pid:
            return False
        self._child.process.returncode = os.waitstatus_to_exitcode(status)
        return True

    def _check_memory(self, takes: str, each_bytes: int) -> None:
        """Raise CheckFailed unless all copies fit into the available memory."""
        available, needed = available_bytes(), each_bytes * self._copies
        if needed > available:
            if self._copies > 1:
                takes += f" in each of {self._copies} processes, {_mib(needed)} in all"
            raise CheckFailed(
                f"{takes}, and {_mib(available)} of memory are available: give the service more memory, "
                f"{'start it with fewer processes, ' if self._copies > 1 else ''}or remove another version first"
            )

    async def _checked_by_child(self, bundle: Bundle, on_warming: Callable[[], None]) -> Checked:
        work = self._work(bundle)
        written = unnamed_file("snellen-check-messages")
        try:
            message, status = await self._exchange(work, written, on_warming)
            if text := _text(written):
                logger.warning("while %s/%s was checked: %s", bundle.manifest.name, bundle.manifest.version, text)
        finally:
            os.close(written)
        if message.get("kind") == PASSED:
            return Checked(Profile.model_validate(message["profile"]), message["peak_bytes"])
        if work.memory_bytes is not None and any(words in text for words in _OUT_OF_MEMORY):
            raise CheckFailed(
                f"it takes more memory than the {_mib(work.memory_bytes)} that its check may take: give the service "
                "more memory, or remove another version first"
            )
        raise CheckFailed(message["reason"] if message else _reason_of(status))

    def _work(self, bundle: Bundle) -> CheckWork:
        available, path = available_bytes(), os.path.abspath(bundle.path)
        memory_bytes = int(available * _SHARE) if available < sys.maxsize else None
        return CheckWork(self._settings, self._cores, path, bundle.sha256, memory_bytes)

    async def _exchange(self, work: CheckWork, written: int, on_warming: Callable[[], None]) -> tuple[_Message, int]:
        """Return the last message of a new child, empty if it ended without one, and its exit status.

        written: descriptor of a file for what the child writes to stderr. Raises CheckFailed.
        """
        try:
            self._child = child = _Child.launched(written, self._environment, self._nice)
        except OSError as error:
            raise CheckFailed(
                f"no process can be started to check it ({error.strerror}): load it again in a moment"
            ) from error
        try:
            message = await child.last_message(work, on_warming, self._silence_s)
        finally:
            try:
                await _uncancelled(child.end())  # a second cancellation too leaves no process behind
            finally:
                self._child = None
        return message, child.process.returncode or 0


@dataclass
class _Child:
    """A check process, and the socket that is its standard input and output.

    The exit status is polled and not waited for in a thread, because another part of this process may collect it.
    `process.returncode` is then 0 unless it is set by `VersionChecker.child_ended`.
    """

    process: subprocess.Popen[bytes]
    socket: socket.socket
    writer: asyncio.StreamWriter | None = None

    @property
    def pid(self) -> int:
        return self.process.pid

    @classmethod
    def launched(cls, written: int, environment: Mapping[str, str], nice: int) -> "_Child":
        """Start a process of a low priority. Raises OSError.

        Uses `subprocess`, which closes every descriptor that the child is not given; uvloop's process support does not.
        """
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "service.check_process"],
                    stdin=theirs.fileno(),
                    stdout=theirs.fileno(),
                    stderr=written,
                    start_new_session=True,  # Ctrl-C in a terminal reaches the service only
                    env={**os.environ, **environment},
                )
        except BaseException:
            ours.close()
            raise
        _give_way(process.pid, nice)
        return cls(process, ours)

    async def last_message(self, work: CheckWork, on_warming: Callable[[], None], silence_s: float) -> _Message:
        """Send the work and return the last message; empty if the process ended without one. Raises CheckFailed."""
        self.socket.setblocking(False)
        reader, self.writer = await asyncio.open_unix_connection(sock=self.socket, limit=_MESSAGE_BYTES)
        self.writer.write(work.to_json())
        warming = False
        try:
            while True:
                async with asyncio.timeout(silence_s):
                    line = await reader.readline()
                if not line.endswith(b"\n"):
                    return {}
                message: _Message = json.loads(line)
                if not warming and message["kind"] in {MEASURED, PASSED}:
                    warming = True
                    on_warming()
                if message["kind"] != MEASURED:
                    return message
        except TimeoutError:
            raise CheckFailed(f"its check did nothing for {silence_s:g} s and was killed") from None
        except ValueError:  # no JSON, or too long: a library has written to the socket
            raise CheckFailed("its check sent a message that cannot be read") from None
        except ConnectionError:
            return {}

    def kill(self) -> None:
        """Kill the process and those that it started, unless it has ended."""
        if not self._has_ended():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    async def end(self) -> None:
        """Kill the process, close the socket, and return when the process has ended."""
        self.kill()
        (self.writer or self.socket).close()
        if self.writer is not None:
            with contextlib.suppress(OSError):
                await self.writer.wait_closed()
        while not self._has_ended():  # noqa: ASYNC110  no event tells of it: see the class
            await asyncio.sleep(_POLL_S)

    def _has_ended(self) -> bool:
        if self.process.returncode is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:
                self.process.returncode = 0
            else:
                self.process.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.process.returncode is not None


async def _uncancelled(work: Coroutine[Any, Any, None]) -> None:
    """Wait for the end of `work` even if this task is cancelled meanwhile. Raises CancelledError afterwards."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(task)
        raise


def _give_way(pid: int, nice: int) -> None:
    """Give a process a low priority for the processor, and the highest for being ended where memory runs out.

    Where the kernel groups processes by session, it compares the priorities of whole sessions, so that the one of the
    process alone would have no effect.
    """
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, nice)
    for file, value in (("autogroup", nice), ("oom_score_adj", _FIRST_TO_END)):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/{file}", "w") as opened:
            opened.write(str(value))


def _bytes_to_open(bundle: Bundle, precision: Precision | Literal["auto"]) -> int:
    """Return the bytes of the files that a serving process certainly reads: of the smallest variant in question.

    Weights outside of the ONNX file count if their file has its name at the beginning, or if there is one variant.
    """
    manifest, variants = bundle.manifest, bundle.manifest.variants
    if len(variants) == 1:
        return sum(file.bytes for file in manifest.files)
    chosen = [each for each in variants if precision in {"auto", each.precision}]
    chosen = chosen or [each for each in variants if each.precision is Precision.FP32]
    return min(sum(file.bytes for file in manifest.files if file.path.startswith(each.path)) for each in chosen)


def _reason_of(status: int) -> str:
    """Return the reason of a check that ended without a message. status: as in `subprocess`."""
    if status >= 0:
        return f"its check ended without a result (status {status}); the log has what it wrote"
    try:
        name = signal.Signals(-status).name
    except ValueError:  # a real-time signal
        name = str(-status)
    cause = "the system does this where memory runs out" if name == "SIGKILL" else "the graph crashes the runtime"
    return f"its check was ended by the signal {name}: {cause}"


def _mib(size: float) -> str:
    return f"{size / MIB:.0f} MiB"


def _text(written: int) -> str:
    """Return the end of what a child has written to its stderr."""
    size = os.fstat(written).st_size
    return os.pread(written, _TEXT_BYTES, max(0, size - _TEXT_BYTES)).decode(errors="replace").strip()
