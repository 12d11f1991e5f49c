"""How the size of an input and the colour of a border are written: on the command line, in settings and in files."""

import re
from typing import NamedTuple

LARGEST_SIDE = 4096
"""Limit of the manifest, in pixels."""
_BRIGHTEST = 255
_CHANNELS = 3
_SIZE = re.compile(r"(\d{1,4})(?:[xX](\d{1,4}))?")


class InputSize(NamedTuple):
    """Width and height of a network's input in pixels."""

    width: int
    height: int

    def __str__(self) -> str:
        return str(self.width) if self.width == self.height else f"{self.width}x{self.height}"


BorderColour = tuple[int, int, int]
"""Red, green and blue, 0 to 255 each."""


def parse_size(value: object) -> InputSize:
    """Return the size for 224, "224" or "320x96" (width x height). Raises ValueError with a sentence."""
    if isinstance(value, InputSize):
        return value
    text = str(value).strip() if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if found := _SIZE.fullmatch(text):
        width = int(found[1])
        height = int(found[2] or width)
        if min(width, height) >= 1 and max(width, height) <= LARGEST_SIDE:
            return InputSize(width, height)
    raise ValueError(
        f"a size is a number of pixels such as 224, or width x height such as 320x96, 1 to {LARGEST_SIDE} each, "
        f"not {value!r}"
    )


def parse_colour(value: object) -> BorderColour:
    """Return the colour for "114,114,114", [114, 114, 114], or one number for grey. Raises ValueError."""
    parts = value.split(",") if isinstance(value, str) else value if isinstance(value, list | tuple) else [value]
    numbers = [int(text) for part in parts if (text := str(part).strip()).isascii() and text.isdecimal()]
    if len(numbers) == len(parts) in (1, _CHANNELS) and max(numbers) <= _BRIGHTEST:
        red, green, blue = numbers * (_CHANNELS // len(numbers))
        return red, green, blue
    raise ValueError(
        f"a colour is red, green and blue such as 114,114,114, or one number for grey, 0 to {_BRIGHTEST} each, "
        f"not {value!r}"
    )
