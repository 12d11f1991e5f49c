"""What is costly to decode is decoded where it can be stopped; the limits are reached by real files."""

import asyncio
import os
import signal
import socket
import zlib
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from PIL import Image

from models.contract import Preprocessing
from service.decoding.decode import DecodeLimits, decode
from service.decoding.decode_cost import SMALL_BYTES
from service.decoding.decoder import DecoderPool
from service.decoding.worker import DecodeWorker, WorkerLimits
from service.decoding.worker_main import decode_reply, encode_request
from service.errors import CorruptImage, DecodeLimit, NotReady, UnsupportedFormat
from service.settings import FORMATS, MIB
from tests.support.bundles import INPUT
from tests.support.pictures import RED, encoded, picture, png_file, progressive_bomb
from tests.support.processes import descriptors_of

HOW = Preprocessing()


def wide_png(width: int) -> bytes:
    """One line of pixels, and a small file."""
    return png_file((width, 1, 8, 0, 0, 0, 0), zlib.compress(bytes(width + 1), 1))


class Losses:
    count = 0

    def __call__(self) -> None:
        self.count += 1


@pytest.fixture
def losses() -> Losses:
    return Losses()


@pytest.fixture
async def decoder(losses: Losses) -> AsyncIterator[DecoderPool]:
    """One at a time, at most a second and 1 GB each."""
    limits = DecodeLimits(FORMATS, 64_000_000)
    decoder = DecoderPool(1, limits, WorkerLimits(time_s=1.0, memory_bytes=1024 * MIB), losses)
    await decoder._workers[0]._ready()
    yield decoder
    await decoder.stop()


@pytest.mark.parametrize("image_format", FORMATS)
@pytest.mark.parametrize("size", [(40, 30), (640, 480), (1600, 1200)])
async def test_small_and_large_images_come_out_the_same_way(
    decoder: DecoderPool, image_format: str, size: tuple[int, int]
) -> None:
    """Whoever decoded them."""
    done = await decoder.decode(picture(RED, size, image_format), INPUT, HOW)
    assert done.pixels.shape == INPUT.shape
    assert done.pixels[8, 8, 0] > 200
    assert done.size[0] / done.size[1] == pytest.approx(4 / 3)


async def test_errors_of_a_worker_are_those_of_a_thread(decoder: DecoderPool) -> None:
    """With their details."""
    with pytest.raises(CorruptImage, match="truncated"):
        await decoder.decode(picture(RED, (2000, 1000))[:-40], INPUT, HOW)
    with pytest.raises(UnsupportedFormat, match="JPEG, PNG"):
        await decoder.decode(b"%PDF" * SMALL_BYTES, INPUT, HOW)


async def test_a_decode_that_takes_too_long_is_ended(decoder: DecoderPool, losses: Losses) -> None:
    """The worker is lost and another one takes its place."""
    bomb = progressive_bomb(3000)
    assert len(bomb) < 4 * MIB
    with pytest.raises(DecodeLimit, match="more than 1 s"):
        await decoder.decode(bomb, INPUT, HOW)
    assert losses.count == 1
    assert (await decoder.decode(picture(RED, (2000, 1000)), INPUT, HOW)).pixels[8, 8, 0] > 200


async def test_a_bomb_does_not_hold_up_small_images(decoder: DecoderPool) -> None:
    """They are decoded elsewhere, while it ticks."""
    bomb = asyncio.create_task(decoder.decode(progressive_bomb(3000), INPUT, HOW))
    await asyncio.sleep(0.1)
    for _ in range(3):
        await decoder.decode(picture(), INPUT, HOW)
    assert not bomb.done()
    with pytest.raises(DecodeLimit):
        await bomb


async def test_a_decode_that_nobody_waits_for_gives_its_worker_back(decoder: DecoderPool) -> None:
    """A client that hangs up costs no worker."""
    gone = asyncio.create_task(decoder.decode(picture(RED, (3000, 2000)), INPUT, HOW))
    await asyncio.sleep(0.01)
    gone.cancel()
    for _ in range(3):
        assert (await decoder.decode(picture(RED, (2000, 1000)), INPUT, HOW)).pixels[8, 8, 0] > 200


async def test_a_decode_that_takes_too_much_memory_is_refused(decoder: DecoderPool) -> None:
    """Sixty million pixels in a row make the resize kernel larger than the limit; the file has 60 kB."""
    body = wide_png(60_000_000)
    assert len(body) < SMALL_BYTES * 2
    with pytest.raises(DecodeLimit, match="memory"):
        await decoder.decode(body, INPUT, Preprocessing(resize="squash"))
    assert (await decoder.decode(picture(RED, (2000, 1000)), INPUT, HOW)).pixels[8, 8, 0] > 200


async def test_a_worker_that_died_while_idle_is_replaced(decoder: DecoderPool, losses: Losses) -> None:
    """Before it is asked, so that the image is decoded; the loss is counted."""
    for losses_so_far in range(3):
        assert losses.count == losses_so_far
        kill(decoder)
        assert (await decoder.decode(picture(RED, (2000, 1000)), INPUT, HOW)).pixels[8, 8, 0] > 200
    assert losses.count == 3


async def test_a_worker_that_dies_while_it_decodes_loses_no_image(decoder: DecoderPool, losses: Losses) -> None:
    """Something else may have killed it, so that another worker tries once."""
    kill(decoder, signal.SIGSTOP)
    work = asyncio.ensure_future(decoder.decode(picture(RED, (2000, 1000)), INPUT, HOW))
    await asyncio.sleep(0.05)
    kill(decoder)
    assert (await work).pixels[8, 8, 0] > 200
    assert losses.count == 1


async def test_a_worker_that_hangs_is_replaced(decoder: DecoderPool, losses: Losses) -> None:
    """Stopped, it cannot end itself at its limit of time; another worker decodes the image."""
    kill(decoder, signal.SIGSTOP)
    assert (await decoder.decode(picture(RED, (2000, 1000)), INPUT, HOW)).pixels[8, 8, 0] > 200
    assert losses.count == 1


async def test_an_image_that_kills_every_worker_is_refused(decoder: DecoderPool, losses: Losses) -> None:
    """After two of them; the next image gets a third."""
    work = asyncio.ensure_future(decoder.decode(progressive_bomb(3000), INPUT, HOW))
    while losses.count < 2 and not work.done():
        await asyncio.sleep(0.05)
        kill(decoder)
    with pytest.raises(CorruptImage, match="died on this image"):
        await work
    assert losses.count == 2
    assert (await decoder.decode(picture(RED, (2000, 1000)), INPUT, HOW)).pixels[8, 8, 0] > 200


async def test_a_worker_without_work_is_ended(losses: Losses) -> None:
    """After a while, and the next image starts another one; that is no loss."""
    worker = DecodeWorker(WorkerLimits(time_s=1.0, memory_bytes=1024 * MIB), losses, idle_s=0.1)
    message = encode_request(picture(RED, (2000, 1000)), INPUT, HOW, DecodeLimits(FORMATS, 64_000_000))
    pids = []
    for _ in range(2):
        assert decode_reply(await worker.ask(message)).pixels[8, 8, 0] > 200
        pids.append(worker.pid)
        worker.rest()
        await asyncio.sleep(1)
        assert worker.pid is None
    await worker.stop()
    assert len(set(pids)) == 2
    assert losses.count == 0


@pytest.mark.parametrize("after_s", [0.0, 0.05, 0.2, 1.0])
async def test_nothing_is_left_of_a_decode_at_the_end(losses: Losses, after_s: float) -> None:
    """Whether its worker is being started or at work."""
    decoder = DecoderPool(1, DecodeLimits(FORMATS, 64_000_000), WorkerLimits(5.0, 1024 * MIB), losses)
    work = asyncio.ensure_future(decoder.decode(progressive_bomb(3000), INPUT, HOW))
    await asyncio.sleep(after_s)
    await decoder.stop()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert decoder._workers[0].pid is None


async def test_a_worker_that_cannot_be_started_is_said(losses: Losses, caplog: pytest.LogCaptureFixture) -> None:
    """As a refusal that may be over in a moment, with the reason in the log."""
    decoder = DecoderPool(1, DecodeLimits(FORMATS, 64_000_000), WorkerLimits(time_s=1.0, memory_bytes=2**70), losses)
    with pytest.raises(NotReady, match="no process can be started"):
        await decoder.decode(picture(RED, (2000, 1000)), INPUT, HOW)
    await decoder.stop()
    assert "setrlimit" in caplog.text


async def test_a_worker_holds_only_what_it_was_given(decoder: DecoderPool) -> None:
    """Also when other descriptors of the service are inheritable."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.set_inheritable(True)
        kill(decoder)
        await decoder.decode(picture(RED, (2000, 1000)), INPUT, HOW)
        held = descriptors_of(decoder._workers[0].pid or 0)
    assert sorted(name.partition(":")[0] for name in held) == ["/dev/null", "/dev/null", "socket", "socket"]


def kill(decoder: DecoderPool, number: signal.Signals = signal.SIGKILL) -> None:
    """The only worker of it, if it has one at the moment."""
    if (pid := decoder._workers[0].pid) is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


@pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
async def test_what_is_quick_to_decode_may_be_decoded_later(decoder: DecoderPool, image_format: str) -> None:
    """With the same pixels."""
    body = picture(RED, (640, 480), image_format)
    later = decoder.defer(body, INPUT, HOW)
    assert later is not None
    assert (later.pixels() == (await decoder.decode(body, INPUT, HOW)).pixels).all()


@pytest.mark.parametrize(
    "body",
    [picture(RED, image_format="WEBP"), picture(RED, (1000, 700)), progressive_bomb(100, side=400), b"", b"junk"],
    ids=["format", "pixels", "scans", "empty", "junk"],
)
async def test_the_rest_is_not_left_to_who_runs_the_network(decoder: DecoderPool, body: bytes) -> None:
    """It goes its own way."""
    assert decoder.defer(body, INPUT, HOW) is None


async def test_only_a_tiny_image_is_deferred_when_asked_so(decoder: DecoderPool) -> None:
    """An image of few bytes and few pixels is decoded in the calling thread, a larger one is not."""
    tiny = decoder.defer(picture(RED, (28, 28)), INPUT, HOW, tiny_only=True)
    assert tiny is not None
    assert not tiny.needs_thread
    assert decoder.defer(picture(RED, (200, 200)), INPUT, HOW, tiny_only=True) is None
    assert decoder.defer(encoded(Image.effect_noise((120, 120), 60), "PNG"), INPUT, HOW, tiny_only=True) is None


async def test_an_image_is_decoded_in_this_process_only_if_its_header_says_that_it_is_small(
    decoder: DecoderPool,
) -> None:
    """Few bytes with many pixels, and formats whose decoders are not bounded, go to a worker process."""
    await decoder._workers[0].stop()
    assert (await decoder.decode(picture(RED, (1000, 900)), INPUT, HOW)).size == (1000, 900)
    assert decoder._workers[0].pid is None
    await decoder.decode(picture(RED, (1000, 1100)), INPUT, HOW)
    assert decoder._workers[0].pid is not None


async def test_a_small_gif_is_decoded_in_a_worker(decoder: DecoderPool) -> None:
    """A GIF of any size is decoded where it can be stopped."""
    await decoder._workers[0].stop()
    await decoder.decode(picture(RED, image_format="GIF"), INPUT, HOW)
    assert decoder._workers[0].pid is not None


@pytest.mark.parametrize("side", [1100, 1500])
async def test_a_body_of_megabytes_reaches_the_worker(decoder: DecoderPool, side: int) -> None:
    """A body larger than the buffers of a socket is sent whole."""
    body = encoded(Image.effect_noise((side, side), 100).convert("RGB"), "BMP")
    expected = decode(body, INPUT, HOW, DecodeLimits(FORMATS, 64_000_000))
    assert ((await decoder.decode(body, INPUT, HOW)).pixels == expected.pixels).all()


async def test_workers_leave_no_descriptors_behind(decoder: DecoderPool) -> None:
    """Started again and again."""
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        await decoder._workers[0].stop()
        await decoder._workers[0]._ready()
    assert len(os.listdir("/proc/self/fd")) <= before
