"""Selects where to decode: cheap images in threads of this process, costly ones in worker processes."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from models.contract import Input, Preprocessing
from service.decoding.decode import Decoded, DecodeLimits, decode_if_small
from service.decoding.decode_cost import claimed_pixels, jpeg_marker_count, png_compressed_chunk_count
from service.decoding.deferred import DeferredDecode
from service.decoding.worker import DecodeWorker, WorkerLimits
from service.decoding.worker_ipc import Message
from service.decoding.worker_main import decode_reply, encode_request

SMALL_BYTES = 256 * 1024
"""Limit of a file decoded in this process, in bytes; see SMALL."""
SMALL = DecodeLimits(formats=("JPEG", "PNG", "WEBP", "BMP"), max_pixels=1_000_000)
"""Limits of an image decoded in this process, together with SMALL_BYTES.

They bound a decode to tens of milliseconds and to tens of megabytes.
"""
TINY_BYTES = 4 * 1024
"""Limit of a file decoded in the calling thread, in bytes; see TINY."""
TINY = DecodeLimits(SMALL.formats, max_pixels=128 * 128)
"""Limits, with TINY_BYTES, of an image decoded in the calling thread: that takes less time than a change of threads."""
QUICK = DecodeLimits(SMALL.formats, max_pixels=500_000)
"""Limits of an image decoded in the engine's thread just before it is run: a few milliseconds."""
_MANY, _FEW = 64, 4
"""Limits of costly JPEG markers and of compressed PNG chunks for decoding in this process."""


class DecoderPool:
    """Decodes request bodies, `concurrency` cheap ones and as many costly ones at a time."""

    def __init__(
        self, concurrency: int, limits: DecodeLimits, worker_limits: WorkerLimits, on_restart: Callable[[], None]
    ) -> None:
        self._limits = limits
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="decode")
        self._free = asyncio.Semaphore(concurrency)  # bodies wait here, where waiting can be cancelled
        self._workers = [DecodeWorker(worker_limits, on_restart) for _ in range(concurrency)]
        self._idle: asyncio.LifoQueue[DecodeWorker] = asyncio.LifoQueue()
        for worker in self._workers:
            self._idle.put_nowait(worker)
        self._work: set[asyncio.Task[Decoded]] = set()

    async def stop(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        for work in self._work:
            work.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)
        await asyncio.gather(*(worker.stop() for worker in self._workers))

    def decode_inline(self, body: bytes, target: Input, how: Preprocessing) -> Decoded | None:
        """Decode a tiny image in the calling thread; return None for a larger one."""
        return decode_if_small(body, target, how, self._limits, TINY) if len(body) <= TINY_BYTES else None

    def defer(self, body: bytes, target: Input, how: Preprocessing) -> DeferredDecode | None:
        """Return a payload that the engine's thread decodes, or None if the header does not promise a quick decode."""
        claimed = claimed_pixels(body) or 0
        if not 0 < claimed <= QUICK.max_pixels or not may_be_small(body):
            return None
        tiny = len(body) <= TINY_BYTES and claimed <= TINY.max_pixels
        limits = TINY if tiny else QUICK  # enforced when decoding, in case the header was wrong
        return DeferredDecode(partial(decode_if_small, body, target, how, self._limits, limits), tiny=tiny)

    async def decode(self, body: bytes, target: Input, how: Preprocessing, dense_pixels: int | None = None) -> Decoded:
        """Decode an image of any size; see `decode.decode`.

        Raises UnsupportedFormat, TooManyPixels, CorruptImage or DecodeLimit.
        """
        if may_be_small(body):
            async with self._free:
                loop = asyncio.get_running_loop()
                small = await loop.run_in_executor(
                    self._threads, decode_if_small, body, target, how, self._limits, SMALL, dense_pixels
                )
            if small is not None:
                return small
        worker = await self._idle.get()
        asked = encode_request(body, target, how, self._limits, dense_pixels)
        work = asyncio.ensure_future(self._decode_costly(worker, asked))
        self._work.add(work)
        work.add_done_callback(self._ended)
        return await asyncio.shield(work)

    def _ended(self, work: asyncio.Task[Decoded]) -> None:
        self._work.discard(work)
        if not work.cancelled():
            work.exception()  # an exception that is not read would be logged

    async def _decode_costly(self, worker: DecodeWorker, asked: Message) -> Decoded:
        """Decode in a worker process. Runs to its end even if the caller is cancelled; the worker's limits bound it."""
        try:
            return decode_reply(await worker.ask(asked))
        finally:
            worker.rest()
            self._idle.put_nowait(worker)


def may_be_small(body: bytes) -> bool:
    """Return whether the image may be decoded in this process, judged by its bytes."""
    return len(body) <= SMALL_BYTES and jpeg_marker_count(body) <= _MANY and png_compressed_chunk_count(body) <= _FEW
