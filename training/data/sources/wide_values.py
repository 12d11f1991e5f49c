"""How many bits pictures of 16 bits a channel use: cameras and scanners of 12 bits write files of 16."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from models.contract import FULL_BITS, sixteen_bit_values
from training.data.labels import printable, shorten

MEASURE = 0
"""In place of a number of bits: measure it, whatever preprocessing is given."""
DEPTHS = (8, 10, 12, 14, FULL_BITS)
"""Numbers of bits that are recognised, those of usual sensors: one bit more leaves room for brighter pictures."""
_USUAL = 0.999
_PICTURES = 100
"""One picture in so many may have larger values than the others, such as a marker in white."""
_NAMED = 5


class WideValues(NamedTuple):
    """Values of one picture. largest: of its pixels; usual: what 99.9 % of them do not exceed, both 0 to 65535.

    grey: whether all its bits can be read; of colours and of transparent pictures only the upper 8 can.
    """

    largest: int
    usual: int
    grey: bool


def measure_values(image: Image.Image) -> WideValues | None:
    """Return the values of a picture with 16 bits a channel, None for any other. Such a picture is decoded.

    Raises what the decoder of a damaged file raises.
    """
    if not any(";16" in str(tile[-1]) for tile in getattr(image, "tile", ())):
        return None
    values = sixteen_bit_values(image)
    if values is not None:
        place = int(_USUAL * (values.size - 1))
        return WideValues(int(values.max()), int(np.partition(values, place, axis=None)[place]), grey=True)
    if image.mode.startswith("I;16"):
        return None  # a TIFF that says itself how many bits it has
    largest = (int(np.asarray(image.convert("RGB")).max()) << 8) + 255
    return WideValues(largest, largest, grey=False)


def bits_of(largest: int) -> int:
    """Return the smallest of DEPTHS whose values reach up to `largest`, which is at most 65535."""
    return next(bits for bits in DEPTHS if largest < 1 << bits)


def choose_bits(pictures: Sequence[WideValues | None]) -> int:
    """Return how many bits the grey pictures use, 16 where there are none.

    Of 50 pictures or more, one in 100 may use more: its larger values become white.
    """
    needed = sorted(bits_of(values.largest) for values in pictures if values is not None and values.grey)
    if not needed:
        return FULL_BITS
    return needed[-1 - (len(needed) + _PICTURES // 2) // _PICTURES]


def value_notes(paths: Sequence[Path], pictures: Sequence[WideValues | None], bits: int) -> tuple[str, ...]:
    """Return sentences on how pictures of 16 bits a channel are read. bits: of `choose_bits`."""
    grey = [(path, values) for path, values in zip(paths, pictures, strict=True) if values and values.grey]
    others = [values for values in pictures if values and not values.grey]
    return (*_notes_on_grey(grey, bits), *_notes_on_colour(others))


def _notes_on_grey(pictures: Sequence[tuple[Path, WideValues]], bits: int) -> Iterator[str]:
    if not pictures:
        return
    larger = [(path, values.largest) for path, values in pictures if values.largest >= 1 << bits]
    if bits < FULL_BITS:
        used = max(values.largest for _, values in pictures if values.largest < 1 << bits)
        yield (
            f"grey pictures of 16 bits use values up to {used:,} only: read as {bits} bits, also by the service; "
            f"--set bits={FULL_BITS} reads them as they are"
        )
    if larger:
        named = [f"{printable(path)} ({largest:,})" for path, largest in larger]
        yield f"larger values become white in {len(larger):,} of {len(pictures):,}: {shorten(named, _NAMED)}"
    top = max(values.largest for _, values in pictures)
    usual = int(np.median([values.usual for _, values in pictures]))
    if bits == FULL_BITS and bits_of(usual) < FULL_BITS:
        yield (
            f"grey pictures of 16 bits have values up to {top:,}, but in most 99.9 % of the pixels are at most "
            f"{usual:,}, so they are dark: --set bits={bits_of(usual)} keeps more grey "
            "levels of these, and larger values become white"
        )


def _notes_on_colour(pictures: Sequence[WideValues]) -> Iterator[str]:
    largest = max((values.largest for values in pictures), default=1 << FULL_BITS)
    if largest < 1 << DEPTHS[-2]:
        yield (
            f"{len(pictures):,} pictures in colour have 16 bits a channel but values up to {largest:,} only; the upper "
            "8 bits are read, so they are dark: convert them to 8 bits"
        )
