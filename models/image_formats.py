"""The image formats that the service decodes, and those that networks can be trained and evaluated on."""

from typing import Literal

ImageFormat = Literal["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIC"]
FORMATS: tuple[ImageFormat, ...] = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
"""Formats that are always read, by Pillow's names. Of a file with several images, the first one counts.

HEIC is the only other one: the service reads it where an optional package is installed and its settings say so.
"""
