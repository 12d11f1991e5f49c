"""Compressed bytes -> uint8 image, with format and pixel limits, in its own small thread pool."""

import asyncio
import io
import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple

from PIL import Image, UnidentifiedImageError

from models.contract import Input, Pixels, Preprocessing, UnsupportedMode, preprocess, upright_size
from service.errors import CorruptImage, ServiceError, TooManyPixels, UnsupportedFormat

logger = logging.getLogger(__name__)

Image.MAX_IMAGE_PIXELS = None  # this module checks the header against its own limit, before anything is decoded
_DAMAGED = "the image starts like one but cannot be decoded: it is truncated or damaged; send the whole file again"


class Decoded(NamedTuple):
    """uint8 [H, W, C] as the model takes it, the upright picture's width and height as decoded, the seconds."""

    pixels: Pixels
    size: tuple[int, int]
    seconds: float


class Decoder:
    """Turns bodies into pixels, `threads` at a time."""

    def __init__(self, threads: int, formats: tuple[str, ...], max_pixels: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="decode")
        self._formats = formats
        self._max_pixels = max_pixels

    async def decode(self, body: bytes, target: Input, how: Preprocessing) -> Decoded:
        """Raises UnsupportedFormat, TooManyPixels or CorruptImage."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self.run, body, target, how)

    def run(self, body: bytes, target: Input, how: Preprocessing) -> Decoded:
        """The same in the calling thread."""
        started = time.perf_counter()
        with _translated(), self._open(body) as image:
            self._check_pixels(image)
            pixels = preprocess(image, target, how)
            return Decoded(pixels, upright_size(image), time.perf_counter() - started)

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _open(self, body: bytes) -> Image.Image:
        try:
            return Image.open(io.BytesIO(body), formats=self._formats)
        except UnidentifiedImageError:
            if self._starts_like_one(body):
                raise CorruptImage(_DAMAGED) from None
            raise UnsupportedFormat(
                f"these {len(body)} bytes are not an image of an accepted format; send {', '.join(self._formats)}"
            ) from None

    def _starts_like_one(self, body: bytes) -> bool:
        """Whether the first bytes are those of an accepted format."""
        accepts = (Image.OPEN[name][1] for name in self._formats if name in Image.OPEN)
        return any(accept is not None and accept(body[:16]) is True for accept in accepts)

    def _check_pixels(self, image: Image.Image) -> None:
        pixels = image.width * image.height
        if pixels > self._max_pixels:
            raise TooManyPixels(
                f"the image is {image.width}x{image.height}, {pixels} pixels; "
                f"send at most {self._max_pixels}: the model looks at a far smaller picture anyway"
            )


@contextmanager
def _translated() -> Iterator[None]:
    """Pillow's many exceptions become ours."""
    try:
        yield
    except ServiceError:
        raise
    except UnsupportedMode as error:
        raise UnsupportedFormat(str(error)) from error
    except (
        Exception
    ) as error:  # decoders raise OSError, SyntaxError, EOFError, ValueError, struct.error, IndexError ...
        logger.debug("image refused: %s: %s", type(error).__name__, error)
        raise CorruptImage(_DAMAGED) from error
