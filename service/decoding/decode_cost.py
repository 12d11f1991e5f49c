"""Estimates from the bytes of a file what decoding costs. The estimate only selects where to decode."""

import struct

import numpy as np

from service.decoding.jpeg_end import lacks_end

SMALL_BYTES = 256 * 1024
"""Limit of a file decoded in this process, in bytes."""
_JPEG, _PNG = b"\xff\xd8", b"\x89PNG\r\n\x1a\n"
_COSTLY_MARKERS, _MOST_MARKERS = (0xDA, 0xE1), 64
"""JPEG markers that a small file can repeat thousands of times, and how many of each are decoded in this process.

Start of scan and APP1: each costs a pass over the file.
"""
_COMPRESSED_CHUNKS, _MOST_CHUNKS = (b"iCCP", b"zTXt", b"iTXt"), 4
"""PNG chunks that Pillow always decompresses, a few bytes to as much as a MiB, and their limit in this process."""

_MOST_PIECES, _MOST_METADATA_BYTES = 256, 32 * 1024
"""Limits of the segments of a JPEG file and of the chunks of a PNG file, and of the bytes of metadata in them.

Pillow reads each of them, and each tag of Exif data, in Python: 250 KB of them kept the event loop busy for 0.5 s.
"""
_WITH_LENGTH = frozenset([*range(0xC0, 0xD0), *range(0xDA, 0xF0), 0xFE]) - {0xC8}
"""JPEG markers with a segment behind them, whose length comes first. Pillow reads byte by byte from any other."""


def may_be_small(body: bytes) -> bool:
    """Return whether the image may be opened in this process, judged by its bytes."""
    if len(body) > SMALL_BYTES:
        return False
    if lacks_end(body):  # decoded several times
        return False
    if body.startswith(_JPEG):
        data = np.frombuffer(body, np.uint8)
        markers = data[1:][data[:-1] == 0xFF]
        few = all(np.count_nonzero(markers == marker) <= _MOST_MARKERS for marker in _COSTLY_MARKERS)
        return few and _has_short_header(body)
    if body.startswith(_PNG):
        return sum(map(body.count, _COMPRESSED_CHUNKS)) <= _MOST_CHUNKS and _has_little_metadata(body)
    return True


def _has_short_header(jpeg: bytes) -> bool:
    """Return whether the first scan of a JPEG file begins after few steps of Pillow and few bytes."""
    position = len(_JPEG)
    for _ in range(_MOST_PIECES):
        start = jpeg[position : position + 4]
        if start[:2] == b"\xff\xda" or len(start) < 4:
            return position <= _MOST_METADATA_BYTES
        has_length = start[0] == 0xFF and start[1] in _WITH_LENGTH
        position += 2 + max(2, int.from_bytes(start[2:])) if has_length else 1
    return False


def _has_little_metadata(png: bytes) -> bool:
    """Return whether a PNG file has few chunks, and few bytes in those that are no pixels."""
    position, metadata = len(_PNG), 0
    for _ in range(_MOST_PIECES):
        if len(png) - position < 8:
            return metadata <= _MOST_METADATA_BYTES
        length, kind = struct.unpack_from(">I4s", png, position)
        position += length + 12
        metadata += 0 if kind == b"IDAT" else length + 12
        if kind == b"IEND":
            return metadata <= _MOST_METADATA_BYTES
    return False
