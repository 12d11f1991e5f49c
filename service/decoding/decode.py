"""Decodes an image file to uint8 pixels, within limits of format and size. Pure functions, called in any process."""

import io
import logging
import time
from dataclasses import dataclass
from typing import IO, NamedTuple

from PIL import Image, UnidentifiedImageError

from models.contract import Input, Pixels, Preprocessing, UnsupportedMode, preprocess_native_size, preprocessed
from service.decoding.what_came import SIGNATURES, refused_kind, transfer_damage
from service.errors import CorruptImage, DecodeLimit, ServiceError, TooManyPixels, UnsupportedFormat

logger = logging.getLogger(__name__)

Image.init()  # loads all plugins now instead of at the first image of an unknown format
Image.MAX_IMAGE_PIXELS = None  # this module checks the header against its own limit, before anything large is decoded
_DAMAGED = "the image starts like one but cannot be decoded: it is truncated or damaged; send the whole file again"


@dataclass(frozen=True)
class DecodeLimits:
    """Accepted formats by Pillow's names, and the limit of width times height."""

    formats: tuple[str, ...]
    max_pixels: int


class Decoded(NamedTuple):
    """A decoded image.

    pixels: uint8 [H, W, C] for the model. size: width and height of the image after its orientation was applied.
    seconds: duration of decoding.
    """

    pixels: Pixels
    size: tuple[int, int]
    seconds: float


def decode(
    body: bytes, target: Input, preprocessing: Preprocessing, limits: DecodeLimits, dense_pixels: int | None = None
) -> Decoded:
    """Decode and resize an image to the target's size.

    dense_pixels: if set, return the image in its own resolution instead, with at most so many pixels.
    Raises UnsupportedFormat, TooManyPixels, CorruptImage, or DecodeLimit when memory runs out.
    """
    return decode_opened(
        opened(body, limits, dense_pixels), target, preprocessing, native_size=dense_pixels is not None
    )


def decode_opened(
    image: Image.Image, target: Input, preprocessing: Preprocessing, *, native_size: bool = False
) -> Decoded:
    """Decode an image whose header was read. Raises CorruptImage, UnsupportedFormat, DecodeLimit."""
    started = time.perf_counter()
    with _TranslatedErrors(getattr(image, "fp", None)), image:
        pixels, size = (preprocess_native_size if native_size else preprocessed)(image, target, preprocessing)
    return Decoded(pixels, size, time.perf_counter() - started)


def opened(body: bytes, limits: DecodeLimits, dense_pixels: int | None = None) -> Image.Image:
    """Return the image with its header read and checked. Its pixels are not decoded yet. Raises as `decode` does."""
    source = io.BytesIO(body)
    with _TranslatedErrors(source):
        image = _open(source, limits.formats)
        _check_pixels(image, limits.max_pixels, "the model looks at a far smaller picture anyway")
        if dense_pixels is not None:
            _check_pixels(image, dense_pixels, "the limit of dense classification")
        return image


def _open(source: io.BytesIO, formats: tuple[str, ...]) -> Image.Image:
    """Open the image. Raises UnsupportedFormat, CorruptImage."""
    try:
        return Image.open(source, formats=formats)
    except UnidentifiedImageError as error:
        raise _refusal(source.getvalue(), formats) from error


def _refusal(body: bytes, formats: tuple[str, ...]) -> ServiceError:
    """Return the error for a file that no decoder of `formats` opens."""
    if (damage := transfer_damage(body)) is not None:
        return CorruptImage(damage)
    if (kind := refused_kind(body, formats)) is not None:
        return UnsupportedFormat(
            f"these {len(body)} bytes are {kind.name}, not an image of an accepted format; {kind.cure}; "
            f"accepted are {', '.join(formats)}"
        )
    if any(SIGNATURES[name].match(body) for name in formats):
        return CorruptImage(_DAMAGED)
    return UnsupportedFormat(
        f"these {len(body)} bytes are not an image of an accepted format; send {', '.join(formats)}"
    )


def _check_pixels(image: Image.Image, limit: int, reason: str) -> None:
    pixels = image.width * image.height
    if pixels > limit:
        raise TooManyPixels(
            f"the image is {image.width}x{image.height}, {pixels} pixels; send at most {limit}: {reason}"
        )


class _TranslatedErrors:
    """A context that turns Pillow's many exceptions into those of the service.

    source: the file that is decoded, for the reason of a damage.
    """

    def __init__(self, source: IO[bytes] | None = None) -> None:
        self._source = source

    def __enter__(self) -> None:
        pass

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, ServiceError):
            raise _translated(error, self._source) from error


def _translated(error: Exception, source: IO[bytes] | None) -> ServiceError:
    """Return the ServiceError for an exception of a decoder.

    Decoders raise OSError, SyntaxError, EOFError, ValueError, struct.error, IndexError and more.
    """
    match error:
        case UnsupportedMode():
            return UnsupportedFormat(str(error))
        case MemoryError():
            return DecodeLimit("decoding this image takes too much memory; send it smaller or as a JPEG")
        case _:
            logger.debug("image refused: %s: %s", type(error).__name__, error)
            damage = transfer_damage(source.getvalue()) if isinstance(source, io.BytesIO) else None
            return CorruptImage(damage or _DAMAGED)
