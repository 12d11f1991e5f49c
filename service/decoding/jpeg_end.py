"""Judges whether a JPEG file that has no end marker is whole: nothing but the marker is missing.

libjpeg replaces missing data silently: a file that is cut anywhere decodes once an end marker is appended, with wrong
pixels. So this module appends several different continuations. A decoder that has read every pixel before the end of
the file ignores what follows; if one pixel depends on the continuation, the file is truncated.
"""

import io
import random
import re
import struct
import zlib
from collections.abc import Iterator

from PIL import Image

_START, _END = b"\xff\xd8", b"\xff\xd9"
_SCAN = b"\xff\xda"
_FRAMES = (0xC0, 0xC1, 0xC2)
"""Markers of frames with Huffman codes: baseline, extended and progressive. Arithmetic codes are rare, and refused."""
_PROGRESSIVE, _START_OF_SCAN, _END_OF_IMAGE, _RESTART_INTERVAL = 0xC2, 0xDA, 0xD9, 0xDD
_MARKER = re.compile(rb"\xff+([^\x00\xff])", re.DOTALL)
_MARKER_AFTER_SCAN = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])", re.DOTALL)
"""The marker that ends the data of a scan: FF 00 is data, and restart markers are part of it."""
_RESTART = re.compile(rb"\xff([\xd0-\xd7])")
_TAIL_BYTES = 4096
"""Length of a continuation: longer than 10 blocks, since blocks below the last row are decoded but not seen."""
_TAILS = tuple(
    bytes([first]) + random.Random(first).randbytes(_TAIL_BYTES).replace(b"\xff", b"\0")  # noqa: S311  the same each time
    for first in (0x56, 0xA9, 0x03, 0x3C, 0x7A, 0x95, 0xC6, 0xEF)
)
"""Data that begin with each of the eight values of three bits, so that up to three missing bits are tried exhaustively.

How they were tried: docs/decisions/files-that-are-whole.md.
"""


def lacks_end(body: bytes) -> bool:
    """Return whether a JPEG file seems to have no end marker. Fast; data after the image may mislead it."""
    return body.startswith(_START) and body.rfind(_END) < body.rfind(_SCAN)


def completed(body: bytes) -> bytes | None:
    """Return a JPEG file with its end marker appended; None if more than the marker is missing, or nothing is.

    Decodes the picture up to 13 times, and only twice if it is truncated. The memory is that of two decoded pictures.
    """
    last_scan = _last_scan(body) if lacks_end(body) else None
    if last_scan is None:
        return None
    whole = body + _END.removeprefix(b"\xff" if body.endswith(b"\xff") else b"")
    expected = _checksum(whole)
    if expected is None:
        return None
    return whole if all(_checksum(body + more) == expected for more in _continuations(body, last_scan)) else None


def _continuations(body: bytes, last_scan: int) -> Iterator[bytes]:
    """Yield data that may follow, each with an end marker.

    last_scan: position of the data of the last scan.
    """
    stuffing = b"\0" if body.endswith(b"\xff") else b""  # makes that byte data: it may be half of a pair FF 00
    for tail in _TAILS:
        yield stuffing + tail + _END
    if b"\xff\xdd" not in body[:last_scan]:  # no restart interval is defined
        return
    restarts = _RESTART.findall(body, last_scan)
    following = 0xD0 | (restarts[-1][0] + 1 if restarts else 0) & 7
    for tail in _TAILS[:4]:  # data of a further restart interval count only after its marker
        yield stuffing + bytes([0xFF, following]) + tail + _END


def _checksum(body: bytes) -> int | None:
    """Return a checksum of all pixels; None if the file cannot be decoded."""
    try:
        with Image.open(io.BytesIO(body), formats=("JPEG",)) as image:
            return zlib.crc32(image.tobytes())
    except (OSError, SyntaxError, ValueError, struct.error):
        return None


def _last_scan(body: bytes) -> int | None:
    """Return the position of the last scan's data if no further scan may follow it.

    None if there is an end marker, if scans are missing, and if the headers are damaged or of a rare kind. Progressive
    files with restart intervals are such a kind: whole intervals of a last refinement can be missing without a trace.
    """
    missing: set[tuple[int, int]] | None = None  # coefficients, by component and index, of which bits are missing
    progressive, position = False, len(_START)
    restarts = False
    try:
        while (found := _MARKER.match(body, position)) is not None:
            marker, start = found[1][0], found.end()
            (length,) = struct.unpack_from(">H", body, start)
            segment, position = body[start + 2 : start + length], start + length
            if position > len(body) or marker == _END_OF_IMAGE:
                return None
            restarts |= marker == _RESTART_INTERVAL and any(segment)
            if marker in _FRAMES:
                progressive = marker == _PROGRESSIVE
                missing = {(component, index) for component in segment[6::3] for index in range(64)}
            if marker == _START_OF_SCAN and missing is not None:
                missing -= _finished(segment, progressive=progressive)
                after = _MARKER_AFTER_SCAN.search(body, position)
                if after is None:
                    return None if missing or (progressive and restarts) else position
                position = after.start()
    except (struct.error, IndexError):
        pass
    return None


def _finished(scan: bytes, *, progressive: bool) -> set[tuple[int, int]]:
    """Return the coefficients, by component and index, that are complete after a scan with this header."""
    count = scan[0]
    components, (first, last, bits) = scan[1 : 1 + 2 * count : 2], scan[1 + 2 * count : 4 + 2 * count]
    if not progressive:
        first, last, bits = 0, 63, 0
    missing_bits = bits & 0x0F
    return (
        set() if missing_bits else {(component, index) for component in components for index in range(first, last + 1)}
    )
