"""Decodes one image of ordinary size where decoding costs least, and submits it to the engine."""

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
    """Decodes images and submits them to the engine.

    The image of an interactive request with a single image is decoded in the engine's thread if decoding is fast; all
    other images are decoded before they enter the queue.
    """

    def __init__(self, decoder: DecoderPool) -> None:
        self._decoder = decoder
        self._bulk_turn = asyncio.Semaphore(1)  # bulk: one decode at a time, cores stay free

    async def answer(
        self, image: bytes, question: ClassifyRequest, manifest: Manifest, serving: Deployment, deadline: float
    ) -> Asked:
        """Return the decoded image and the network's output.

        deadline: seconds on the clock of time.monotonic. Raises TimeoutError, ImageError, Unavailable, EngineFailure.
        """
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
        """Decode the image in the engine's thread and run it there. Returns None if it has to be decoded before.

        Raises LargerThanClaimed when the image has more pixels than its header says.
        """
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
