"""Size and colours that a network takes by default: those of most images. The others are named."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from models.contract import Colour, Input
from training.data.labels import printable, shorten
from training.data.sources.open_image import Header

PHOTO_INPUT = Input(colour=Colour.RGB, height=224, width=224)
"""Default input for images of several sizes, none of which most images have, and for large ones."""
_GREY_SHARE = 0.9
"""Smallest share of grey images for a grey input: where more are in colour, the colour may decide the class."""
_NAMED = 5
_SIDES = (32, 48, 64, 96, 128)
"""Sides of an input that are offered for small images of several sizes."""


def native_shape(headers: Sequence[Header], *, unanimous: bool = False) -> Input | None:
    """Return the size that more than half of the upright images have, grey if nine of ten are; None for other photos.

    headers: of one image at least. unanimous: ask for all images instead, for the size as stored and for grey. None
    also where the size is beyond 224 pixels.
    """
    sizes = Counter(header.size if unanimous else header.upright_size for header in headers)
    size, count = sizes.most_common(1)[0]
    needed = len(headers) if unanimous else len(headers) // 2 + 1
    if count < needed or max(size) > PHOTO_INPUT.height:
        return None
    grey = all(header.grey for header in headers) if unanimous else _mostly_grey(headers)
    width, height = size
    return Input(colour=Colour.L if grey else Colour.RGB, height=height, width=width)


def shape_notes(
    paths: Sequence[Path], headers: Sequence[Header], native: Input | None, *, chosen: Colour | None = None
) -> tuple[str, ...]:
    """Return sentences on the images that the input is not made for, and the options that choose another input.

    native: the input by `native_shape`, in the colour that the user has chosen, if any.
    """
    if native is None:
        return tuple(_notes_on_photos(headers, chosen))
    colours = () if chosen else _notes_on_colours(paths, headers, native)
    return (*_notes_on_sizes(paths, headers, native), *colours)


def _notes_on_sizes(paths: Sequence[Path], headers: Sequence[Header], native: Input) -> Iterator[str]:
    size = (native.width, native.height)
    odd = [index for index, header in enumerate(headers) if header.upright_size != size]
    if odd:
        named = [f"{printable(paths[i])} ({_size(headers[i])})" for i in odd]
        yield (
            f"{_of(odd, headers)} another size than {size[0]}x{size[1]}, the size of most, to which they are resized: "
            f"{shorten(named, _NAMED)}; another input is chosen as in --size {PHOTO_INPUT.height}"
        )


def _notes_on_colours(paths: Sequence[Path], headers: Sequence[Header], native: Input) -> Iterator[str]:
    grey = sum(header.grey for header in headers)
    if native.colour is Colour.L and grey < len(headers):
        coloured = [index for index, header in enumerate(headers) if not header.grey]
        named = [printable(paths[index]) for index in coloured]
        yield (
            f"{_of(coloured, headers)} colours, but most are grey, and so is the input: {shorten(named, _NAMED)}; "
            "--set colour=RGB keeps colours"
        )
    elif native.colour is Colour.RGB and 2 * grey > len(headers):
        yield (
            f"{grey:,} of {len(headers):,} images are grey, but {len(headers) - grey:,} have colours, and so has the "
            "input; --set colour=L makes it grey"
        )


def _notes_on_photos(headers: Sequence[Header], chosen: Colour | None) -> Iterator[str]:
    """Yield what a smaller or a grey input would save where the images are small or grey."""
    sizes = {header.upright_size for header in headers}
    median = float(np.median([max(header.upright_size) for header in headers]))
    side = next((side for side in _SIDES if side >= median), PHOTO_INPUT.height)
    small, colour = side < PHOTO_INPUT.height, _mostly_grey(headers) and not chosen
    options = [*([f"--size {side}"] if small else []), *(["--set colour=L"] if colour else [])]
    if options:
        what = ["small", "grey"] if small and colour else ["small" if small else "grey"]
        taken = f"{PHOTO_INPUT.width}x{PHOTO_INPUT.height} {(chosen or PHOTO_INPUT.colour).value}"
        yield (
            f"the images have {len(sizes):,} {'size' if len(sizes) == 1 else 'sizes'}, none that most of them share, "
            if len(sizes) > 1
            else "the images are large, "
        ) + (
            f"so that the input is {taken}; most are {' and '.join(what)}: {' '.join(options)} makes training and "
            "answers cheaper"
        )


def _size(header: Header) -> str:
    return "x".join(map(str, header.upright_size))


def _mostly_grey(headers: Sequence[Header]) -> bool:
    return sum(header.grey for header in headers) >= _GREY_SHARE * len(headers)


def _of(chosen: Sequence[int], headers: Sequence[Header]) -> str:
    return f"{len(chosen):,} of {len(headers):,} images {'has' if len(chosen) == 1 else 'have'}"
