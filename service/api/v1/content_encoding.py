"""Decompresses bodies with `Content-Encoding: gzip`, in steps and up to a limit."""

import asyncio
import zlib

from starlette.exceptions import HTTPException

from service.batching.admission import Held
from service.errors import BodyTooLarge, MalformedBody

_STEP_IN_BYTES = 16 * 1024
"""Compressed bytes that one step takes."""
_STEP_OUT_BYTES = 128 * 1024
"""Limit of the bytes that one step makes: 0.3 ms."""
_GZIP = 16 + zlib.MAX_WBITS
"""Value of `wbits` with which zlib reads the header and checks the trailer of gzip."""
_MAX_SHOWN = 32
"""Characters of an unknown encoding that the error text repeats."""


def is_gzip(header: bytes) -> bool:
    """Return whether Content-Encoding says gzip; False for `identity` and an empty header.

    Raises HTTPException with status 415 for any other encoding, and for several.
    """
    encoding = header.decode("latin-1").strip().lower()
    if encoding in ("", "identity"):
        return False
    if encoding in ("gzip", "x-gzip"):
        return True
    detail = f"Content-Encoding {encoding[:_MAX_SHOWN]!r} is not read; send the body with gzip, or without compression"
    raise HTTPException(415, detail, headers={"Accept-Encoding": "gzip"})


async def gunzip(body: bytes, max_bytes: int, held: Held) -> bytes:
    """Return the decompressed body, and let other requests continue after each step.

    max_bytes: limit of the result. held: gets the bytes of the result as they are made.
    Allocates at most twice the size of the result. Raises MalformedBody, BodyTooLarge, QueueFull.
    """
    stream = zlib.decompressobj(_GZIP)
    pieces: list[bytes] = []
    size = at = 0
    while not stream.eof:
        given = stream.unconsumed_tail or body[at : at + _STEP_IN_BYTES]
        at += 0 if stream.unconsumed_tail else len(given)
        piece = _decompressed(stream, given)
        if not given and not piece:
            raise MalformedBody("the gzip of the body stops before its end; send the whole body")
        size += len(piece)
        if size > max_bytes:
            raise BodyTooLarge(f"the body has more than {max_bytes} bytes without gzip; send a smaller image or fewer")
        held.add(len(piece))
        pieces.append(piece)
        await asyncio.sleep(0)
    if stream.unused_data or at < len(body):
        raise MalformedBody("something follows the gzip of the body; compress the whole body at once")
    return b"".join(pieces)


def _decompressed(stream: "zlib._Decompress", given: bytes) -> bytes:
    try:
        return stream.decompress(given, _STEP_OUT_BYTES)
    except zlib.error:
        raise MalformedBody(
            "Content-Encoding is gzip, but the body is no gzip or damaged; compress it again, or leave the header out"
        ) from None
