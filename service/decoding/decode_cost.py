"""Estimates from the bytes of a file what decoding costs. The estimates only select where to decode."""

import struct

import numpy as np

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"
_SIZE = struct.Struct(">II")
_SEGMENT = struct.Struct(">BBH")
_FRAME = struct.Struct(">HH")
_FRAMES = frozenset({0xC0, 0xC1, 0xC2})
"""JPEG markers of the frame headers, which hold height and width, for the coding processes that Pillow decodes."""
_WITHOUT_LENGTH = frozenset({0x00, 0x01, *range(0xD0, 0xDA), 0xFF})
"""Bytes that no marker segment with a length begins with: TEM, RSTn, SOI, EOI, fill bytes."""
_MOST_SEGMENTS = 64
"""JPEG segments that are searched for the frame header."""
_COSTLY = (0xDA, 0xE1)
"""JPEG markers that a small file can repeat thousands of times: start of scan and APP1.

Each costs a pass over the file.
"""
_PACKED = (b"iCCP", b"zTXt", b"iTXt")
"""PNG chunks that Pillow always decompresses: a few bytes of each may become a MiB."""


def claimed_pixels(body: bytes) -> int | None:
    """Return width times height from the header of a JPEG or PNG; None for other files and when it is not found soon.

    The value is a hint: the decoders read and check the header again.
    """
    try:
        if body.startswith(PNG_SIGNATURE):
            return _of_png(body)
        return _of_jpeg(body) if body.startswith(_JPEG) else None
    except struct.error:  # the file ends before
        return None


def jpeg_marker_count(body: bytes) -> int:
    """Return the count of the more frequent of the costly markers in a JPEG; 0 for other files."""
    if not body.startswith(_JPEG):
        return 0
    data = np.frombuffer(body, np.uint8)
    markers = data[1:][data[:-1] == 0xFF]
    return max(int(np.count_nonzero(markers == marker)) for marker in _COSTLY)


def png_compressed_chunk_count(body: bytes) -> int:
    """Return an upper bound of the compressed metadata chunks in a PNG; 0 for other files."""
    return sum(map(body.count, _PACKED)) if body.startswith(PNG_SIGNATURE) else 0


def _of_png(body: bytes) -> int | None:
    """Return the pixels of a PNG; None unless IHDR is its first chunk, as the standard demands."""
    if body[12:16] != b"IHDR":
        return None
    width, height = _SIZE.unpack_from(body, 16)
    return int(width * height)


def _of_jpeg(body: bytes) -> int | None:
    """Return the pixels of a JPEG: skip segments by their lengths until a frame header (ITU T.81, B.1 and B.2.2)."""
    at = len(_JPEG)
    for _ in range(_MOST_SEGMENTS):
        start, marker, length = _SEGMENT.unpack_from(body, at)
        if start != 0xFF or marker in _WITHOUT_LENGTH:
            return None
        if marker in _FRAMES:
            height, width = _FRAME.unpack_from(body, at + 5)
            return int(width * height)
        at += 2 + length
    return None
