"""One image of ordinary size: decoded where that is cheapest, then through the network."""

import asyncio
import contextlib
import time

from models.contract import Manifest
from service.decoding.decode import Decoded
from service.decoding.decoder import DecoderPool
from service.decoding.deferred import LargerThanClaimed
from service.errors import released
from service.inference.request import ClassifyRequest
from service.repository.version import Deployment
from service.types import EngineResult, Priority, ReadyPixels

Asked = tuple[Decoded, EngineResult]


class ImagePipeline:
    """A lone image that is quick to decode is decoded where its batch is run, others before they queue."""

    def __init__(self, decoder: DecoderPool) -> None:
        self._decoder = decoder
        self._bulk_turn = asyncio.Semaphore(1)  # one bulk image is decoded at a time: cores stay free for the others

    async def answer(
        self, image: bytes, question: ClassifyRequest, manifest: Manifest, serving: Deployment, deadline: float
    ) -> Asked:
        """deadline: on the clock of time.monotonic. Raises TimeoutError, ImageError, Unavailable, EngineFailure."""
        if question.is_single_interactive:
            try:
                if (asked := await self._in_one_step(image, question, manifest, serving, deadline)) is not None:
                    return asked
            except LargerThanClaimed as larger:
                released(larger)
        decoded = self._decoder.decode_inline(image, manifest.input, manifest.preprocessing)
        if decoded is None:
            decoded = await self._decoded(image, manifest, deadline, question.priority)
        answer = await serving.batcher.submit(
            ReadyPixels(decoded.pixels), question.heatmap, deadline, question.priority
        )
        return decoded, answer

    async def _in_one_step(
        self, image: bytes, question: ClassifyRequest, manifest: Manifest, serving: Deployment, deadline: float
    ) -> Asked | None:
        """None where it has to be decoded before. Raises LargerThanClaimed."""
        if not serving.decodes:
            return None
        encoded = self._decoder.defer(image, manifest.input, manifest.preprocessing)
        if encoded is None:
            return None
        try:
            answer = await serving.batcher.submit(encoded, question.heatmap, deadline)
        finally:
            encoded.forget()
        assert encoded.decoded is not None
        return encoded.decoded._replace(seconds=answer.decode_s), answer

    async def _decoded(self, image: bytes, manifest: Manifest, deadline: float, priority: Priority) -> Decoded:
        turn = self._bulk_turn if priority is Priority.BULK else contextlib.nullcontext()
        async with asyncio.timeout(deadline - time.monotonic()), turn:
            return await self._decoder.decode(image, manifest.input, manifest.preprocessing)
