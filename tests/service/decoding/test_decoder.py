"""What is costly to decode is decoded where it can be stopped; the limits are reached by real files."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from PIL import Image

from models.contract import FORMATS, Preprocessing
from service.decoding.decode import DecodeLimits
from service.decoding.decode_cost import SMALL_BYTES
from service.decoding.decoder import DecoderPool
from service.decoding.worker import WorkerLimits
from service.errors import CorruptImage, DecodeLimit, UnsupportedFormat
from service.settings import MIB
from tests.support.bundles import INPUT
from tests.support.pictures import RED, encoded, picture, progressive_bomb

HOW = Preprocessing()


@pytest.fixture
async def decoder() -> AsyncIterator[DecoderPool]:
    """One at a time, at most a second and 1 GB each."""
    limits = DecodeLimits(FORMATS, 64_000_000)
    decoder = DecoderPool(1, limits, WorkerLimits(time_s=1.0, memory_bytes=1024 * MIB), lambda: None)
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


@pytest.mark.parametrize("after_s", [0.0, 0.05, 0.2, 1.0])
async def test_nothing_is_left_of_a_decode_at_the_end(after_s: float) -> None:
    """Whether its worker is being started or at work."""
    decoder = DecoderPool(1, DecodeLimits(FORMATS, 64_000_000), WorkerLimits(5.0, 1024 * MIB), lambda: None)
    work = asyncio.ensure_future(decoder.decode(progressive_bomb(3000), INPUT, HOW))
    await asyncio.sleep(after_s)
    await decoder.stop()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert decoder._workers[0].pid is None


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
