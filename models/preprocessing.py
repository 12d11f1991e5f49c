"""Turns an image into the input of a network. Evaluation in training and the service share this implementation."""

import io
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.manifest import FULL_BITS, Input, Preprocessing
from models.resampling import resample

Pixels = NDArray[np.uint8]
WideValues = NDArray[np.uint16]


class UnsupportedMode(ValueError):
    """The pixel format has no unambiguous conversion to 8-bit colour."""


class PreprocessedImage(NamedTuple):
    """An image after its orientation was applied.

    pixels: uint8 [height, width, channels], read-only. size: width and height of the whole image in pixels.
    """

    pixels: Pixels
    size: tuple[int, int]


_BITS_PER_SAMPLE = 0x0102
_PHOTOMETRIC = 0x0106
_WHITE_IS_ZERO = 0
_ORIENTATION = 0x0112
_SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations that swap width and height
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def preprocess(image: Image.Image, target: Input, preprocessing: Preprocessing) -> Pixels:
    """Resize and crop or pad `image` to the network's input: uint8 [height, width, channels], C-contiguous, read-only.

    image: opened by Pillow, pixels not necessarily loaded yet; any mode but LAB, signed integers and 32 bits a channel.
    One resize with a box does both, so that a 1x10000 image never becomes 224x2240000 on the way. A padded image has at
    least one pixel a side, is centred, and rounded to the left and to the top where that cannot be exact.
    A JPEG is decoded at the smallest of 1/1, 1/2, 1/4, 1/8 that still has enough pixels. Colour, background and
    orientation are applied to the small image, where they cost little. The transparent grey that a 16-bit PNG can name
    (tRNS) is not applied: such an image counts as opaque.
    Raises UnsupportedMode for any other mode, and for a damaged file what its decoder raises (mostly OSError).
    Source: evaluation crop of Krizhevsky et al., NeurIPS 2012, section 2.
    """
    return preprocessed(image, target, preprocessing).pixels


def preprocessed(image: Image.Image, target: Input, preprocessing: Preprocessing) -> PreprocessedImage:
    """Return the result of `preprocess` with the size of the image. Raises what `preprocess` raises."""
    stored = image.size
    _reduce(image, target, preprocessing)
    reduced = image.size != stored
    image.load()
    stored = stored if reduced else image.size  # Pillow turns TIFF and AVIF images while it loads them
    orientation = _orientation(image)
    room = _before_turning((target.width, target.height), orientation)
    size = _kept_size(stored, room, preprocessing)
    wide = _resizable(image, preprocessing.bits)
    small = _resize(wide, size, _box(image.size, room, preprocessing), preprocessing)
    pixels = _upright(_colour(small, target, preprocessing), orientation)
    if pixels.shape != target.shape:
        pixels = _padded(pixels, target, preprocessing)
    return PreprocessedImage(pixels, _before_turning(stored, orientation))


def decode_golden(body: bytes, target: Input, preprocessing: Preprocessing) -> Pixels:
    """Return the pixels of a golden image. Raises what its decoder raises unless it is a complete JPEG or PNG."""
    with Image.open(io.BytesIO(body), formats=("JPEG", "PNG")) as image:
        return preprocess(image, target, preprocessing)


def preprocess_native_size(image: Image.Image, target: Input, preprocessing: Preprocessing) -> PreprocessedImage:
    """Convert `image` to pixels as `preprocess` does, but without resizing or cropping.

    Equal to `preprocess` if the image has the target's size and nothing is cropped. Raises what `preprocess` raises.
    """
    image.load()
    orientation = _orientation(image)
    pixels = _upright(_colour(_resizable(image, preprocessing.bits), target, preprocessing), orientation)
    return PreprocessedImage(pixels, _before_turning(image.size, orientation))


def is_sideways(image: Image.Image) -> bool:
    """Return whether the EXIF orientation of an opened image swaps its width and height."""
    return _orientation(image) in _SIDEWAYS


def region(size: tuple[int, int], target: Input, preprocessing: Preprocessing) -> tuple[float, float, float, float]:
    """Return the rectangle that the input shows: left, top, right, bottom as fractions of the upright image's size.

    It is a part of the image, and reaches beyond it, below 0 and above 1, where the image is padded.
    size: width and height of the upright image, in pixels.
    """
    room = target.width, target.height
    if preprocessing.resize == "pad":
        width, height = _kept_size(size, room, preprocessing)
        before, above = _centred((width, height), room)
        return -before / width, -above / height, (room[0] - before) / width, (room[1] - above) / height
    left, upper, right, lower = _box(size, room, preprocessing)
    return left / size[0], upper / size[1], right / size[0], lower / size[1]


def _upright(coloured: Image.Image, orientation: int) -> Pixels:
    turned = coloured if orientation == 1 else coloured.transpose(_TURNS[orientation])
    return np.frombuffer(turned.tobytes(), np.uint8).reshape(turned.height, turned.width, -1)


def _before_turning(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    return (size[1], size[0]) if orientation in _SIDEWAYS else size


def _box(
    source: tuple[int, int], size: tuple[int, int], preprocessing: Preprocessing
) -> tuple[float, float, float, float]:
    """Return the part of the source that is kept: left, upper, right, lower in source pixels."""
    width, height = source
    if preprocessing.resize != "crop":
        return 0, 0, width, height
    unit = min(width / size[0], height / size[1]) * preprocessing.crop_fraction
    left, upper = (width - size[0] * unit) / 2, (height - size[1] * unit) / 2
    return max(left, 0), max(upper, 0), min(left + size[0] * unit, width), min(upper + size[1] * unit, height)


def _kept_size(source: tuple[int, int], room: tuple[int, int], preprocessing: Preprocessing) -> tuple[int, int]:
    """Return width and height to which the kept part is resized: `room`, or less in one direction where it is padded.

    Rounded as timm does, so that a network trained with its letterbox sees the same pixels.
    """
    if preprocessing.resize != "pad":
        return room
    ratio = max(source[0] / room[0], source[1] / room[1])
    return max(1, round(source[0] / ratio)), max(1, round(source[1] / ratio))


def _centred(size: tuple[int, int], room: tuple[int, int]) -> tuple[int, int]:
    """Return where a picture of `size` begins in `room`: left and top in pixels."""
    return (room[0] - size[0]) // 2, (room[1] - size[1]) // 2


def _padded(pixels: Pixels, target: Input, preprocessing: Preprocessing) -> Pixels:
    """Return the upright pixels, centred on a canvas of the target's size."""
    height, width = pixels.shape[:2]
    left, upper = _centred((width, height), (target.width, target.height))
    colour = Image.new("RGB", (1, 1), preprocessing.pad_colour).convert(target.colour.value)
    canvas = np.empty(target.shape, np.uint8)
    canvas[:] = np.asarray(colour).reshape(-1)
    canvas[upper : upper + height, left : left + width] = pixels
    canvas.flags.writeable = False
    return canvas


def _reduce(image: Image.Image, target: Input, preprocessing: Preprocessing) -> None:
    """Ask the JPEG decoder for a smaller image; Pillow ignores this for every other format.

    The orientation is not known yet. Hence the longer side of the target is requested in both directions, and of a
    padded image the larger of the two sizes that it may get.
    """
    left, upper, right, lower = _box(image.size, (target.width, target.height), preprocessing)
    if preprocessing.resize == "pad":
        rooms = (target.width, target.height), (target.height, target.width)
        scale = max(min(room[0] / image.width, room[1] / image.height) for room in rooms)
    else:
        scale = max(target.width, target.height) / min(right - left, lower - upper)
    if scale < 1:
        image.draft(target.colour.value, (math.ceil(image.width * scale), math.ceil(image.height * scale)))


def _resize(
    image: Image.Image,
    size: tuple[int, int],
    box: tuple[float, float, float, float],
    preprocessing: Preprocessing,
) -> Image.Image:
    """Return the part inside `box`, at `size`; the image itself if it is that already."""
    if image.size == size and box == (0, 0, *size):
        return image
    return resample(image, size, preprocessing.interpolation, box)


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8. Damaged EXIF data count as upright, because the image itself is complete.

    Must be read after loading: Pillow turns TIFF and AVIF images itself and then drops the tag.
    """
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # the parser of a damaged block raises many classes of exceptions
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def sixteen_bit_values(image: Image.Image) -> WideValues | None:
    """Return uint16 [height, width] of a grey image whose file says 16 bits a pixel, None for any other image.

    These are the images that `Preprocessing.bits` is about. Raises what the decoder of a damaged file raises.
    """
    image.load()
    if not image.mode.startswith("I;16") or _stored_bits(image) != FULL_BITS:
        return None
    return np.asarray(image)


def _resizable(image: Image.Image, bits: int) -> Image.Image:
    """Return the same image in a mode whose pixels can be averaged. bits: those in use where the file says 16."""
    if image.mode in ("F", "I", "LAB"):  # I is Pillow's mode for signed and for 32-bit integers
        raise UnsupportedMode(
            f"pixel format {image.mode} has no defined way to RGB; send 8 or 16 bits a channel, without a sign"
        )
    if image.mode.startswith("I;16"):
        return _eight_bits(image, bits)
    if image.has_transparency_data:
        return image if image.mode in ("RGBA", "LA") else image.convert("RGBA")
    match image.mode:
        case "1":
            return image.convert("L")
        case "P" | "PA":
            return image.convert("RGB")
        case _:
            return image


def _stored_bits(image: Image.Image) -> int:
    """Return how many bits a pixel of a 16-bit grey image has by its file: 16, or fewer in a TIFF that packs them."""
    bits: int = getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, (FULL_BITS,))[0]
    return bits


def _eight_bits(image: Image.Image, bits: int) -> Image.Image:
    """Return the upper 8 bits of 16-bit grey values, of which `bits` are in use unless the file says fewer than 16.

    For a 16-bit TIFF, Pillow neither scales 12-bit values nor inverts white-is-zero, as it does for 8 bits.
    """
    stored, wide = _stored_bits(image), np.asarray(image)
    used = bits if stored == FULL_BITS else stored
    narrow = np.right_shift(wide, used - 8, out=np.empty(wide.shape, np.uint8), casting="unsafe")
    if used < FULL_BITS:
        np.putmask(narrow, wide >= 1 << used, 255)
    if getattr(image, "tag_v2", {}).get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        np.invert(narrow, out=narrow)
    return Image.fromarray(narrow)


def _colour(small: Image.Image, target: Input, preprocessing: Preprocessing) -> Image.Image:
    if small.mode in ("RGBA", "LA"):
        canvas = Image.new("RGBA", small.size, (*preprocessing.background, 255))
        small = Image.alpha_composite(canvas, small.convert("RGBA"))
    if small.mode == target.colour.value:
        return small
    if small.mode == "CMYK" and target.colour.value == "L":
        small = small.convert("RGB")
    return small.convert(target.colour.value)
