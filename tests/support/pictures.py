"""Encoded pictures, made in the test."""

import io
import struct
import zlib

from PIL import Image

RED, GREEN, BLUE = (230, 20, 20), (20, 230, 20), (20, 20, 230)


def encoded(image: Image.Image, image_format: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, image_format, **options)
    return stream.getvalue()


def picture(
    colour: tuple[int, int, int] = RED, size: tuple[int, int] = (40, 30), image_format: str = "PNG", **options: object
) -> bytes:
    """One plain colour."""
    return encoded(Image.new("RGB", size, colour), image_format, **options)


def png_chunk(kind: bytes, data: bytes = b"") -> bytes:
    """Length, kind, data and checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_file(header: tuple[int, ...], packed: bytes = b"") -> bytes:
    """header: width, height, depth, colour, compression, filter, interlace. packed: the rows, or nothing."""
    head = png_chunk(b"IHDR", struct.pack(">IIBBBBB", *header))
    return b"\x89PNG\r\n\x1a\n" + head + png_chunk(b"IDAT", packed) + png_chunk(b"IEND")


def profile_bomb(profiles: int) -> bytes:
    """A PNG with as many colour profiles, each of a KiB that becomes a MiB."""
    body = picture()
    chunk = png_chunk(b"iCCP", b"profile\0\0" + zlib.compress(bytes(2**20), 9))
    after_header = 8 + 25
    return body[:after_header] + chunk * profiles + body[after_header:]


def progressive_bomb(scans: int, side: int = 8000) -> bytes:
    """A JPEG of one colour that refines the same coefficient again and again, a pass over the picture each time."""
    body = encoded(Image.new("L", (side, side), 200), "JPEG", progressive=True)
    start = body.rindex(b"\xff\xda")
    last_scan = body[start : body.rindex(b"\xff\xd9")]
    return body[:start] + last_scan * scans + b"\xff\xd9"
