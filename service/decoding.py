"""Compressed bytes -> uint8 image, with format and pixel limits: a pure function, whoever runs it."""

import io
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from PIL import Image, UnidentifiedImageError

from models.contract import Input, Pixels, Preprocessing, UnsupportedMode, at_own_scale, preprocess, upright_size
from service.errors import CorruptImage, DecodeLimit, ServiceError, TooManyPixels, UnsupportedFormat

logger = logging.getLogger(__name__)

Image.init()  # all plugins now, not at the first image of an unknown kind
Image.MAX_IMAGE_PIXELS = None  # this module checks the header against its own limit, before anything is decoded
_DAMAGED = "the image starts like one but cannot be decoded: it is truncated or damaged; send the whole file again"


@dataclass(frozen=True)
class DecodeLimits:
    """Accepted formats by Pillow's names, and the largest width times height."""

    formats: tuple[str, ...]
    max_pixels: int


class Decoded(NamedTuple):
    """uint8 [H, W, C] as the model takes it, the upright picture's width and height as decoded, the seconds."""

    pixels: Pixels
    size: tuple[int, int]
    seconds: float


def decode(
    body: bytes, target: Input, how: Preprocessing, limits: DecodeLimits, dense_pixels: int | None = None
) -> Decoded:
    """Pixels of the target's size; with `dense_pixels`, those of the picture at its own scale, at most so many.

    Raises UnsupportedFormat, TooManyPixels, CorruptImage, or DecodeLimit when memory runs out.
    """
    with _opened(body, limits, dense_pixels) as image:
        return _decoded(image, target, how, own_scale=dense_pixels is not None)


def decode_if_small(
    body: bytes,
    target: Input,
    how: Preprocessing,
    limits: DecodeLimits,
    small: DecodeLimits,
    dense_pixels: int | None = None,
) -> Decoded | None:
    """The same, but nothing is decoded of an image whose header says that it exceeds `small`."""
    with _opened(body, limits, dense_pixels) as image:
        fits = image.format in small.formats and image.width * image.height <= small.max_pixels
        return _decoded(image, target, how, own_scale=dense_pixels is not None) if fits else None


def _decoded(image: Image.Image, target: Input, how: Preprocessing, *, own_scale: bool) -> Decoded:
    started = time.perf_counter()
    pixels = (at_own_scale if own_scale else preprocess)(image, target, how)
    return Decoded(pixels, upright_size(image), time.perf_counter() - started)


@contextmanager
def _opened(body: bytes, limits: DecodeLimits, dense_pixels: int | None) -> Iterator[Image.Image]:
    """The header read and checked; what Pillow raises until the end of the block is translated."""
    with _translated(), _open(body, limits.formats) as image:
        _check_pixels(image, limits.max_pixels, "the model looks at a far smaller picture anyway")
        if dense_pixels is not None:
            _check_pixels(image, dense_pixels, "the limit of dense classification")
        yield image


def _open(body: bytes, formats: tuple[str, ...]) -> Image.Image:
    try:
        return Image.open(io.BytesIO(body), formats=formats)
    except UnidentifiedImageError:
        if _starts_like_one(body, formats):
            raise CorruptImage(_DAMAGED) from None
        raise UnsupportedFormat(
            f"these {len(body)} bytes are not an image of an accepted format; send {', '.join(formats)}"
        ) from None


def _starts_like_one(body: bytes, formats: tuple[str, ...]) -> bool:
    """Whether the first bytes are those of an accepted format."""
    accepts = (Image.OPEN[name][1] for name in formats if name in Image.OPEN)
    return any(accept is not None and accept(body[:16]) is True for accept in accepts)


def _check_pixels(image: Image.Image, limit: int, reason: str) -> None:
    pixels = image.width * image.height
    if pixels > limit:
        raise TooManyPixels(
            f"the image is {image.width}x{image.height}, {pixels} pixels; send at most {limit}: {reason}"
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
    except MemoryError as error:
        raise DecodeLimit("decoding this image takes too much memory; send it smaller or as a JPEG") from error
    except (
        Exception
    ) as error:  # decoders raise OSError, SyntaxError, EOFError, ValueError, struct.error, IndexError ...
        logger.debug("image refused: %s: %s", type(error).__name__, error)
        raise CorruptImage(_DAMAGED) from error
