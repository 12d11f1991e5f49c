"""Decodes an image file to uint8 pixels, within limits of format and size. Pure functions, called in any process."""

import io
import logging
import time
import warnings
from dataclasses import dataclass
from typing import IO, NamedTuple

from PIL import Image, UnidentifiedImageError

from models.contract import Input, Pixels, Preprocessing, UnsupportedMode, preprocess_native_size, preprocessed
from service.decoding.jpeg_end import completed
from service.decoding.png_image import image_chunks
from service.decoding.what_came import SIGNATURES, refused_kind, transfer_damage
from service.errors import CorruptImage, DecodeLimit, ServiceError, TooManyPixels, UnsupportedFormat

logger = logging.getLogger(__name__)

Image.init()  # loads all plugins now instead of at the first image of an unknown format
Image.MAX_IMAGE_PIXELS = None  # this module checks the header against its own limit, before anything large is decoded
warnings.filterwarnings("ignore", module=r"PIL\.")
"""Pillow warns about metadata in words with numbers of the file, so each file could add lines to the log and memory."""
_PILLOW_NAMES = {"HEIC": "HEIF"}
"""Pillow's names where they differ. Its reader of HEIF is registered in decode workers only."""
_DAMAGED = "the image starts like one but cannot be decoded: it is truncated or damaged; send the whole file again"


@dataclass(frozen=True)
class DecodeLimits:
    """Accepted formats as the settings name them, and the limit of width times height."""

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
    source, image_format = getattr(image, "fp", None), image.format
    try:
        pixels, size = _pixels(image, target, preprocessing, native_size=native_size)
    except CorruptImage:
        repaired = _repaired(source.getvalue(), image_format) if isinstance(source, io.BytesIO) else None
        if repaired is None:
            raise
        with _TranslatedErrors(repaired):
            image = Image.open(repaired, formats=("JPEG", "PNG"))
        pixels, size = _pixels(image, target, preprocessing, native_size=native_size)
    return Decoded(pixels, size, time.perf_counter() - started)


def _pixels(
    image: Image.Image, target: Input, preprocessing: Preprocessing, *, native_size: bool
) -> tuple[Pixels, tuple[int, int]]:
    with _TranslatedErrors(getattr(image, "fp", None)), image:
        return (preprocess_native_size if native_size else preprocessed)(image, target, preprocessing)


def _repaired(body: bytes, image_format: str | None) -> io.BytesIO | None:
    """Return a file with the same pixels that can be decoded; None if the pixels themselves are damaged."""
    match image_format:
        case "PNG":
            other = image_chunks(body)
        case "JPEG" | "MPO":
            other = completed(body)
        case _:
            other = None
    return None if other is None else io.BytesIO(other)


def opened(body: bytes, limits: DecodeLimits, dense_pixels: int | None = None) -> Image.Image:
    """Return the image with its header read and checked. Its pixels are not decoded yet. Raises as `decode` does."""
    try:
        return _opened(io.BytesIO(body), limits, dense_pixels)
    except CorruptImage:
        if (repaired := image_chunks(body)) is None:
            raise
    return _opened(io.BytesIO(repaired), limits, dense_pixels)


def _opened(source: io.BytesIO, limits: DecodeLimits, dense_pixels: int | None) -> Image.Image:
    with _TranslatedErrors(source):
        image = _open(source, limits.formats)
        _check_pixels(image, limits.max_pixels, "the model looks at a far smaller picture anyway")
        if dense_pixels is not None:
            _check_pixels(image, dense_pixels, "the limit of dense classification")
        return image


def _open(source: io.BytesIO, formats: tuple[str, ...]) -> Image.Image:
    """Open the image. Raises UnsupportedFormat, CorruptImage."""
    names = (_PILLOW_NAMES.get(name, name) for name in formats)
    try:
        return Image.open(source, formats=[name for name in names if name in Image.OPEN])
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
