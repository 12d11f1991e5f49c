"""PNGs of nothing but a picture, without Pillow's reader of chunks: for a small one it takes longer than the picture.

Source of the format: W3C, Portable Network Graphics, third edition, sections 5 and 11.2.
"""

import struct
import zlib

from PIL import Image

from service.decoding.decode_cost import PNG_SIGNATURE

_HEAD = struct.Struct(">8sI4sIIBBBBBII4s")
"""Signature; IHDR: length, type, width, height, depth, colour, packing, filters, interlace, CRC; IDAT: length, type."""
_BEGINS = (PNG_SIGNATURE, 13, b"IHDR", b"IDAT")
_CRC = struct.Struct(">I")
_HEADER, _DATA = slice(12, 29), _HEAD.size
_END = b"\0\0\0\0IEND\xaeB`\x82"
_MODES = {0: "L", 2: "RGB", 4: "LA", 6: "RGBA"}
"""Pillow's names for the colour types that need no palette."""
_SAMPLE_BITS = 8
_MOST_BYTES = 65_536
"""Of packed rows: Pillow's reader decodes longer ones in parts of this size."""
FEW_PIXELS = 128 * 128
"""Larger ones take so long that reading the chunks does not count, and are compared with limits before."""


def plain_png(body: bytes) -> Image.Image | None:
    """Of a PNG with header, one chunk of data and end, 8 bits a sample, not interlaced, of few pixels.

    None for any other file, and for whatever is wrong: Pillow knows better what.
    """
    if len(body) < _DATA + _CRC.size + len(_END) or not body.endswith(_END):
        return None
    signature, length, kind, width, height, *how, crc, data_bytes, data_kind = _HEAD.unpack_from(body)
    mode, end = _mode(*how), _DATA + data_bytes
    if (signature, length, kind, data_kind) != _BEGINS or end + _CRC.size + len(_END) != len(body):
        return None
    if mode is None or not 0 < width * height <= FEW_PIXELS or data_bytes > _MOST_BYTES:
        return None
    if zlib.crc32(body[_HEADER]) != crc or (zlib.crc32(body[_DATA - 4 : end]),) != _CRC.unpack_from(body, end):
        return None
    return _picture(mode, (width, height), body[_DATA:end])


def _mode(depth: int, colour: int, compression: int, filters: int, interlace: int) -> str | None:
    return None if depth != _SAMPLE_BITS or compression or filters or interlace else _MODES.get(colour)


def _picture(mode: str, size: tuple[int, int], packed: bytes) -> Image.Image | None:
    try:
        image = Image.frombytes(mode, size, packed, "zip", mode, 0)
    except ValueError:
        return None
    image.format = "PNG"
    return image
