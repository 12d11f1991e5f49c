"""The image formats that the service decodes, and that networks can be trained and evaluated on."""

from typing import Literal

ImageFormat = Literal["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"]
FORMATS: tuple[ImageFormat, ...] = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
"""Pillow's names. Of a file with several images, the first one counts."""
