"""Image files opened within limits; files that are no images, too large or damaged are refused with a reason."""

import functools
import hashlib
import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from models.contract import FORMATS, Input, Pixels, Preprocessing, UnsupportedMode, is_sideways, preprocess
from training.data.sources.wide_values import WideValues, measure_values

warnings.filterwarnings("ignore", module=r"PIL\.")  # of damaged metadata, with a line of source and without the file

MAX_PIXELS = 89_478_485
"""Pixel limit of one image: the value up to which Pillow does not warn (Image.MAX_IMAGE_PIXELS)."""
MAX_FILE_BYTES = 256 << 20
HEIC_ADVICE = "convert HEIC photos to JPEG, or let them be read: pip install 'snellen[heic]'"
_HEIC = re.compile(rb"....ftyp(hei[cxms]|hev[cxms]|mif1|msf1)", re.DOTALL)
"""First bytes of a HEIC photo; an AVIF image that begins with one of the last two is opened before."""
_GREY = ("1", "L", "I;16", "I;16B")


@functools.cache
def reads_heic() -> bool:
    """Let Pillow read HEIC in this process from now on; return whether the extra `heic` is installed."""
    try:
        from pillow_heif import register_heif_opener  # noqa: PLC0415  absent unless the extra `heic` is installed
    except ImportError:
        return False
    register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=1)
    return True


class UnreadableImage(Exception):
    """Raised with the reason why a file is skipped."""


@dataclass(frozen=True)
class Header:
    """Properties of an image before it is preprocessed. digest: sha256 of the file; size: width and height as stored.

    sideways: whether the EXIF orientation of a JPEG swaps them. values: of an image with 16 bits a channel, where they
    were asked for.
    """

    digest: bytes
    size: tuple[int, int]
    grey: bool
    sideways: bool = False
    values: WideValues | None = None

    @property
    def upright_size(self) -> tuple[int, int]:
        return self.size[::-1] if self.sideways else self.size


def read_header(path: Path, *, with_values: bool = False) -> Header:
    """Read the whole file without decoding it. Raises UnreadableImage.

    with_values: decode images with 16 bits a channel, for their values.
    """
    content = _read(path)
    with _opened(content) as image:
        size, grey = image.size, image.mode in _GREY
        sideways = image.format in ("JPEG", "MPO") and is_sideways(image)  # others may be decoded for their EXIF data
        values = measure_values(image) if with_values else None
        return Header(hashlib.sha256(content).digest(), size, grey, sideways, values)


def read_pixels(path: Path, target: Input, preprocessing: Preprocessing) -> Pixels:
    """Return uint8 [height, width, channels] of the file, preprocessed as by the service. Raises UnreadableImage."""
    with _opened(_read(path)) as image:
        return preprocess(image, target, preprocessing)


def _read(path: Path) -> bytes:
    """Read a regular file only: reading a pipe or a device might never end."""
    try:
        if path.exists() and not path.is_file():
            raise UnreadableImage("not a file")
        if (size := path.stat().st_size) > MAX_FILE_BYTES:
            raise UnreadableImage(f"{size:,} bytes, more than {MAX_FILE_BYTES:,}")
        if not size:
            raise UnreadableImage("an empty file")
        return path.read_bytes()
    except OSError as error:
        raise UnreadableImage(error.strerror or "cannot be read") from error
    except ValueError as error:  # a null byte in the path
        raise UnreadableImage(str(error)) from error


@contextmanager
def _opened(content: bytes) -> Iterator[Image.Image]:
    """Open an image and translate Pillow's exceptions until the end of the block."""
    formats = (*FORMATS, "HEIF") if _HEIC.match(content) and reads_heic() else FORMATS
    try:
        with Image.open(io.BytesIO(content), formats=formats) as image:
            if (pixels := image.width * image.height) > MAX_PIXELS:
                raise UnreadableImage(f"{image.width}x{image.height} is {pixels:,} pixels, more than {MAX_PIXELS:,}")
            yield image
    except UnreadableImage:
        raise
    except UnidentifiedImageError as error:
        if _HEIC.match(content):
            raise UnreadableImage("truncated or damaged" if reads_heic() else f"a HEIC photo: {HEIC_ADVICE}") from error
        raise UnreadableImage(f"not a picture in one of the formats {', '.join(FORMATS)}") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnreadableImage(f"more than {MAX_PIXELS:,} pixels") from error
    except UnsupportedMode as error:
        raise UnreadableImage(str(error)) from error
    except MemoryError as error:
        raise UnreadableImage("decoding it takes too much memory") from error
    except (
        Exception
    ) as error:  # decoders raise OSError, SyntaxError, EOFError, ValueError, struct.error, IndexError ...
        raise UnreadableImage("truncated or damaged") from error
