"""What a file tells without a decoder: hints where to decode it, no more."""

import struct

import numpy as np

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"
_SIZE = struct.Struct(">II")
_SEGMENT = struct.Struct(">BBH")
_FRAME = struct.Struct(">HH")
_FRAMES = frozenset({0xC0, 0xC1, 0xC2})
"""JPEG markers with height and width, of the processes that Pillow decodes."""
_WITHOUT_LENGTH = frozenset({0x00, 0x01, *range(0xD0, 0xDA), 0xFF})
"""What has no place here, or is no marker: TEM, RSTn, SOI, EOI, filling bytes."""
_MOST_SEGMENTS = 64
_COSTLY = (0xDA, 0xE1)
"""JPEG markers, start of scan and APP1, that a small file can repeat thousands of times; each costs a pass over it."""
_PACKED = (b"iCCP", b"zTXt", b"iTXt")
"""PNG chunks that are unpacked though nobody asks: of a few bytes each may become a MiB."""


def claimed_pixels(body: bytes) -> int | None:
    """Width times height as the header of a JPEG or PNG has it; None for others, and where it is not found soon.

    Never trusted: decoders read the header again, and check it.
    """
    try:
        if body.startswith(PNG_SIGNATURE):
            return _of_png(body)
        return _of_jpeg(body) if body.startswith(_JPEG) else None
    except struct.error:  # the file ends before
        return None


def jpeg_marker_count(body: bytes) -> int:
    """How often a JPEG has the more frequent of them; 0 for other files."""
    if not body.startswith(_JPEG):
        return 0
    data = np.frombuffer(body, np.uint8)
    markers = data[1:][data[:-1] == 0xFF]
    return max(int(np.count_nonzero(markers == marker)) for marker in _COSTLY)


def png_compressed_chunk_count(body: bytes) -> int:
    """How many a PNG may have beside its picture; 0 for other files."""
    return sum(map(body.count, _PACKED)) if body.startswith(PNG_SIGNATURE) else 0


def _of_png(body: bytes) -> int | None:
    """Its first chunk has to be the one with the size."""
    if body[12:16] != b"IHDR":
        return None
    width, height = _SIZE.unpack_from(body, 16)
    return int(width * height)


def _of_jpeg(body: bytes) -> int | None:
    """ITU T.81, B.1 and B.2.2: segments of a marker and their length, until one that begins a frame."""
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
