"""One decode worker: its process is started, bounded in time and memory, and replaced after its death."""

import asyncio
import os
import signal
import socket
import zlib
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from PIL import Image

from models.contract import FORMATS, Preprocessing
from service.decoding.decode import Decoded, DecodeLimits, decode
from service.decoding.decode_cost import SMALL_BYTES
from service.decoding.worker import DecodeWorker, WorkerLimits, decode_in_new_process
from service.decoding.worker_main import decode_reply, encode_request
from service.errors import CorruptImage, DecodeLimit, NotReady
from service.settings import MIB
from tests.support.bundles import INPUT
from tests.support.pictures import RED, encoded, picture, png_file, progressive_bomb
from tests.support.processes import descriptors_of

HOW = Preprocessing()
LIMITS = DecodeLimits(FORMATS, 64_000_000)
PICTURE = picture(RED, (2000, 1000))


class Losses:
    """The number of workers that were lost."""

    count = 0

    def __call__(self) -> None:
        self.count += 1


@pytest.fixture
def losses() -> Losses:
    return Losses()


@pytest.fixture
async def worker(losses: Losses) -> AsyncIterator[DecodeWorker]:
    """A worker that is started, and may take a second and 1 GB for an image."""
    worker = DecodeWorker(WorkerLimits(time_s=1.0, memory_bytes=1024 * MIB), losses)
    await decoded(worker, PICTURE)
    yield worker
    await worker.stop()


async def decoded(worker: DecodeWorker, body: bytes, how: Preprocessing = HOW) -> Decoded:
    return decode_reply(await worker.ask(encode_request(body, INPUT, how, LIMITS)))


def kill(worker: DecodeWorker, number: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal to the process, if there is one at the moment."""
    if (pid := worker.pid) is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def wide_png(width: int) -> bytes:
    """Return a small file whose picture has one row of `width` pixels."""
    return png_file((width, 1, 8, 0, 0, 0, 0), zlib.compress(bytes(width + 1), 1))


async def test_a_decode_that_takes_too_long_is_ended(worker: DecodeWorker, losses: Losses) -> None:
    """The image is refused with the time limit, its worker is lost, and a new one decodes the next image."""
    bomb = progressive_bomb(3000)
    assert len(bomb) < 4 * MIB
    with pytest.raises(DecodeLimit, match="more than 1 s"):
        await decoded(worker, bomb)
    assert losses.count == 1
    assert (await decoded(worker, PICTURE)).pixels[8, 8, 0] > 200


async def test_a_decode_that_takes_too_much_memory_is_refused(worker: DecodeWorker) -> None:
    """The resize kernel for a row of sixty million pixels is larger than the limit, although the file has 60 kB."""
    body = wide_png(60_000_000)
    assert len(body) < SMALL_BYTES * 2
    with pytest.raises(DecodeLimit, match="memory"):
        await decoded(worker, body, Preprocessing(resize="squash"))
    assert (await decoded(worker, PICTURE)).pixels[8, 8, 0] > 200


async def test_a_worker_that_died_while_idle_is_replaced(worker: DecodeWorker, losses: Losses) -> None:
    """The worker is replaced before it gets an image, so that the image is decoded; the loss is counted."""
    for losses_so_far in range(3):
        assert losses.count == losses_so_far
        kill(worker)
        assert (await decoded(worker, PICTURE)).pixels[8, 8, 0] > 200
    assert losses.count == 3


async def test_a_worker_that_dies_while_it_decodes_loses_no_image(worker: DecodeWorker, losses: Losses) -> None:
    """Since something other than the image may have ended the process, a new worker decodes it."""
    kill(worker, signal.SIGSTOP)
    work = asyncio.ensure_future(decoded(worker, PICTURE))
    await asyncio.sleep(0.05)
    kill(worker)
    assert (await work).pixels[8, 8, 0] > 200
    assert losses.count == 1


async def test_a_worker_that_hangs_is_replaced(worker: DecodeWorker, losses: Losses) -> None:
    """A stopped process cannot end itself at its time limit; it is killed, and a new one decodes the image."""
    kill(worker, signal.SIGSTOP)
    assert (await decoded(worker, PICTURE)).pixels[8, 8, 0] > 200
    assert losses.count == 1


async def test_an_image_that_kills_two_workers_is_refused(worker: DecodeWorker, losses: Losses) -> None:
    """After the death of two workers the image counts as corrupt, and the next image gets a third worker."""
    work = asyncio.ensure_future(decoded(worker, progressive_bomb(3000)))
    while losses.count < 2 and not work.done():
        await asyncio.sleep(0.05)
        kill(worker)
    with pytest.raises(CorruptImage, match="died on this image"):
        await work
    assert losses.count == 2
    assert (await decoded(worker, PICTURE)).pixels[8, 8, 0] > 200


async def test_a_worker_without_work_is_ended(losses: Losses) -> None:
    """The process ends after its idle time, which is no loss, and the next image starts another one."""
    worker = DecodeWorker(WorkerLimits(time_s=1.0, memory_bytes=1024 * MIB), losses, idle_s=0.1)
    pids = []
    for _ in range(2):
        assert (await decoded(worker, PICTURE)).pixels[8, 8, 0] > 200
        pids.append(worker.pid)
        worker.rest()
        await asyncio.sleep(1)
        assert worker.pid is None
    await worker.stop()
    assert len(set(pids)) == 2
    assert losses.count == 0


async def test_a_worker_that_cannot_be_started_is_not_ready(losses: Losses, caplog: pytest.LogCaptureFixture) -> None:
    """The client may send the image again in a moment; the reason is in the log."""
    worker = DecodeWorker(WorkerLimits(time_s=1.0, memory_bytes=2**70), losses)
    with pytest.raises(NotReady, match="no process can be started"):
        await decoded(worker, PICTURE)
    await worker.stop()
    assert "setrlimit" in caplog.text


async def test_a_worker_holds_only_its_own_descriptors(worker: DecodeWorker) -> None:
    """An inheritable descriptor of the service is not open in the worker."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.set_inheritable(True)
        kill(worker)
        await decoded(worker, PICTURE)
        held = descriptors_of(worker.pid or 0)
    assert sorted(name.partition(":")[0] for name in held) == ["/dev/null", "/dev/null", "socket", "socket"]


@pytest.mark.parametrize("side", [1100, 1500])
async def test_a_body_of_megabytes_reaches_the_worker(worker: DecodeWorker, side: int) -> None:
    """A body larger than the buffers of a socket is sent whole."""
    body = encoded(Image.effect_noise((side, side), 100).convert("RGB"), "BMP")
    expected = decode(body, INPUT, HOW, LIMITS)
    assert ((await decoded(worker, body)).pixels == expected.pixels).all()


async def test_restarted_workers_leave_no_descriptors_open(worker: DecodeWorker) -> None:
    """The service has no more open descriptors after several starts than after the first."""
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        await worker.stop()
        await decoded(worker, PICTURE)
    assert len(os.listdir("/proc/self/fd")) <= before


def test_an_image_can_be_decoded_apart() -> None:
    """With the pixels and the errors of any other worker, and its limits."""
    limits = WorkerLimits(time_s=1.0, memory_bytes=1024 * MIB)
    found = decode_in_new_process(encode_request(PICTURE, INPUT, HOW, LIMITS), limits)
    assert (found.pixels == decode(PICTURE, INPUT, HOW, LIMITS).pixels).all()
    with pytest.raises(CorruptImage, match="truncated"):
        decode_in_new_process(encode_request(PICTURE[:-40], INPUT, HOW, LIMITS), limits)
    with pytest.raises(DecodeLimit, match="more than 1 s"):
        decode_in_new_process(encode_request(progressive_bomb(3000), INPUT, HOW, LIMITS), limits)
