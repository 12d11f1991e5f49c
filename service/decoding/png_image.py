"""Takes the metadata out of a PNG file: Pillow refuses the whole picture where a text in it is damaged or large."""

import struct
import zlib

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_KEPT = (b"IHDR", b"PLTE", b"tRNS", b"eXIf", b"IDAT", b"IEND")
"""The chunks that make the pixels and their orientation. The service applies no colour profile and no gamma."""
_FRAME_BYTES = 12
"""Bytes of a chunk without its data: length, kind and checksum."""
_MOST_CHUNKS = 65_536
"""Limit of the chunks that are looked at. libpng writes chunks of 8 KiB, so the largest file has some 4,000."""


def image_chunks(body: bytes) -> bytes | None:
    """Return a copy of a PNG file with the chunks of the image only; None if it has no others, or is no PNG.

    An eXIf chunk with a wrong checksum is left out too. Of an animation the default image is kept, the one
    that is classified. A file that ends within a chunk of the image keeps what there is of it.
    """
    if not body.startswith(_SIGNATURE):
        return None
    view, pieces, position, data_ended = memoryview(body), [memoryview(_SIGNATURE)], len(_SIGNATURE), False
    for _ in range(_MOST_CHUNKS):
        if len(body) - position < 8:
            break
        length, kind = struct.unpack_from(">I4s", body, position)
        chunk = view[position : position + length + _FRAME_BYTES]
        position += len(chunk)
        if kind == b"IDAT" and data_ended:  # a part of the data is missing between this chunk and the one before
            return None
        data_ended |= kind != b"IDAT" and bytes(pieces[-1][4:8]) == b"IDAT"
        if kind in _KEPT and (kind != b"eXIf" or _is_intact(chunk)):
            pieces.append(chunk)
        if kind == b"IEND":
            break
    return b"".join(pieces) if sum(map(len, pieces)) < position else None


def _is_intact(chunk: memoryview) -> bool:
    return len(chunk) >= _FRAME_BYTES and zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:])
