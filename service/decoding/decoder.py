"""Selects where to decode: in the engine's thread, in a thread of this process, or in a worker process."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial

from models.contract import Input, Preprocessing
from service.decoding import heic
from service.decoding.decode import Decoded, DecodeLimits, decode_opened, opened
from service.decoding.decode_cost import may_be_small
from service.decoding.deferred import DeferredDecode
from service.decoding.worker import DecodeWorker, WorkerLimits
from service.decoding.worker_ipc import Message
from service.decoding.worker_main import decode_reply, encode_request
from service.errors import ImageError

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP")
"""Formats decoded in this process. Their decoders take time and memory in proportion to the pixels."""
_SMALL_PIXELS = 1_000_000
"""Limit of an image decoded in this process: tens of milliseconds and of megabytes."""
_QUICK_FORMATS, _QUICK_PIXELS = ("JPEG", "PNG"), 500_000
"""Limits of an image decoded in the engine's thread just before it is run: a few milliseconds."""
TINY_BYTES, _TINY_PIXELS = 4 * 1024, 128 * 128
"""Limits of an image decoded in the calling thread: that takes less time than a change of threads."""


class DecoderPool:
    """Decodes request bodies, `concurrency` cheap ones and as many costly ones at a time."""

    def __init__(
        self, concurrency: int, limits: DecodeLimits, worker_limits: WorkerLimits, on_restart: Callable[[], None]
    ) -> None:
        self._limits = limits
        self._reads_heic = "HEIC" in limits.formats
        formats = tuple(name for name in _QUICK_FORMATS if name in limits.formats)
        self._quick = DecodeLimits(formats, min(limits.max_pixels, _QUICK_PIXELS))
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

    def defer(
        self, body: bytes, target: Input, preprocessing: Preprocessing, *, tiny_only: bool = False
    ) -> DeferredDecode | None:
        """Return a payload that decodes the image later, or None if its header does not promise a quick decode.

        tiny_only: whether only an image will do whose decoding takes less time than a change of threads.
        """
        tiny = len(body) <= TINY_BYTES
        if not may_be_small(body) or (tiny_only and not tiny):
            return None
        try:
            image = opened(body, self._quick)
        except ImageError:  # of another format, too large, or damaged: `decode` decides
            return None
        tiny = tiny and image.width * image.height <= _TINY_PIXELS
        if tiny_only and not tiny:
            return None
        return DeferredDecode(partial(decode_opened, image, target, preprocessing), needs_thread=not tiny)

    async def decode(
        self, body: bytes, target: Input, preprocessing: Preprocessing, dense_pixels: int | None = None
    ) -> Decoded:
        """Decode an image of any size; see `decode.decode`.

        Raises UnsupportedFormat, TooManyPixels, CorruptImage or DecodeLimit.
        """
        if may_be_small(body) and not (self._reads_heic and heic.may_be_heic(body)):
            async with self._free:
                loop = asyncio.get_running_loop()
                small = await loop.run_in_executor(
                    self._threads,
                    copy_context().run,  # log lines of the thread name the request
                    *(_decode_small, body, target, preprocessing, self._limits, dense_pixels),
                )
            if small is not None:
                return small
        worker = await self._idle.get()
        asked = encode_request(body, target, preprocessing, self._limits, dense_pixels)
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


def _decode_small(
    body: bytes, target: Input, preprocessing: Preprocessing, limits: DecodeLimits, dense_pixels: int | None
) -> Decoded | None:
    """Decode the image; return None if its header says that it is not small."""
    image = opened(body, limits, dense_pixels)
    if image.format not in _FORMATS or image.width * image.height > _SMALL_PIXELS:
        return None
    return decode_opened(image, target, preprocessing, native_size=dense_pixels is not None)
