"""Who decodes: small images in threads of this process, what may be costly in worker processes that can be lost."""

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
SMALL = DecodeLimits(formats=("JPEG", "PNG", "WEBP", "BMP"), max_pixels=1_000_000)
"""Together they bound a decode in this process: to tens of milliseconds, and to tens of megabytes."""
TINY_BYTES = 4 * 1024
TINY = DecodeLimits(SMALL.formats, max_pixels=128 * 128)
"""So small that decoding takes less time than handing the image to a thread."""
QUICK = DecodeLimits(SMALL.formats, max_pixels=500_000)
"""Decoded in so few milliseconds that who runs a network may do it first."""
_MANY, _FEW = 64, 4
"""Costly markers of a JPEG and packed chunks of a PNG that are no reason yet to decode it in a process of its own."""


class DecoderPool:
    """Turns bodies into pixels, `concurrency` small ones at a time and as many costly ones."""

    def __init__(
        self, concurrency: int, limits: DecodeLimits, worker_limits: WorkerLimits, on_restart: Callable[[], None]
    ) -> None:
        self._limits = limits
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="decode")
        self._free = asyncio.Semaphore(concurrency)  # so that a body waits here, where it can be given up
        self._workers = [DecodeWorker(worker_limits, on_restart) for _ in range(concurrency)]
        self._idle: asyncio.LifoQueue[DecodeWorker] = asyncio.LifoQueue()
        for worker in self._workers:
            self._idle.put_nowait(worker)

    async def stop(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        await asyncio.gather(*(worker.stop() for worker in self._workers))

    def decode_inline(self, body: bytes, target: Input, how: Preprocessing) -> Decoded | None:
        """As `decode`, in the calling thread, when that takes less time than another thread would."""
        return decode_if_small(body, target, how, self._limits, TINY) if len(body) <= TINY_BYTES else None

    def defer(self, body: bytes, target: Input, how: Preprocessing) -> DeferredDecode | None:
        """For whoever runs the network on it, if its header promises that it is quick to decode."""
        claimed = claimed_pixels(body) or 0
        if not 0 < claimed <= QUICK.max_pixels or not may_be_small(body):
            return None
        tiny = len(body) <= TINY_BYTES and claimed <= TINY.max_pixels
        limits = TINY if tiny else QUICK  # whatever the header claimed
        return DeferredDecode(partial(decode_if_small, body, target, how, self._limits, limits), tiny=tiny)

    async def decode(self, body: bytes, target: Input, how: Preprocessing, dense_pixels: int | None = None) -> Decoded:
        """As `decoding.decode`. Raises UnsupportedFormat, TooManyPixels, CorruptImage or DecodeLimit."""
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
        work.add_done_callback(lambda done: done.cancelled() or done.exception())  # who asked may have left
        return await asyncio.shield(work)

    async def _decode_costly(self, worker: DecodeWorker, asked: Message) -> Decoded:
        """To its end, also when nobody waits any more: the worker's own limits bound it."""
        try:
            return decode_reply(await worker.ask(asked))
        finally:
            worker.rest()
            self._idle.put_nowait(worker)


def may_be_small(body: bytes) -> bool:
    """Whether the header is worth a look in this process."""
    return len(body) <= SMALL_BYTES and jpeg_marker_count(body) <= _MANY and png_compressed_chunk_count(body) <= _FEW
