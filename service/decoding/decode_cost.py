"""Estimates from the bytes of a file what decoding costs. The estimate only selects where to decode."""

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


def may_be_small(body: bytes) -> bool:
    """Return whether the image may be opened in this process, judged by its bytes."""
    if len(body) > SMALL_BYTES:
        return False
    if lacks_end(body):  # decoded several times
        return False
    if body.startswith(_JPEG):
        data = np.frombuffer(body, np.uint8)
        markers = data[1:][data[:-1] == 0xFF]
        return all(np.count_nonzero(markers == marker) <= _MOST_MARKERS for marker in _COSTLY_MARKERS)
    return not body.startswith(_PNG) or sum(map(body.count, _COMPRESSED_CHUNKS)) <= _MOST_CHUNKS
