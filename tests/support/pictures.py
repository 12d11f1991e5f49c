"""Encoded pictures, made in the test."""

import io

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
