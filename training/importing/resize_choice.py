"""How a picture of any size becomes the input of a network of others: options, a file beside it, or defaults."""

from pathlib import Path
from typing import Literal, NamedTuple

from models.contract import FULL_BITS, Preprocessing, Resize
from training.data.option_values import BorderColour
from training.errors import OnnxImportError
from training.importing.guesses import Guess, Report

Interpolation = Literal["bilinear", "bicubic"]
_DEFAULT = Preprocessing(resize="crop", crop_fraction=1.0, interpolation="bilinear")


class DescribedResize(NamedTuple):
    """The resize that the file `path` beside the ONNX file names, or another source in words."""

    path: Path | str
    preprocessing: Preprocessing


def choose_resize(
    report: Report,
    *,
    resize: Resize | None = None,
    crop_fraction: float | None = None,
    pad_colour: BorderColour | None = None,
    interpolation: Interpolation | None = None,
    bits: int | None = None,
    described: DescribedResize | None = None,
) -> Preprocessing:
    """Return the preprocessing. Options go before what a file says, and a crop fraction alone asks for a crop.

    Raises OnnxImportError for options that exclude each other.
    """
    if resize not in (None, "crop") and crop_fraction is not None:
        raise OnnxImportError("--crop-fraction is for --resize crop, which keeps a part: leave one of the two out")
    known = _DEFAULT if described is None else described.preprocessing
    way = resize or ("crop" if crop_fraction is not None else known.resize)
    if way != "pad" and pad_colour is not None:
        raise OnnxImportError("--pad-colour is the colour of a border: give --resize pad, too")
    fraction = known.crop_fraction if crop_fraction is None and way == known.resize else crop_fraction or 1.0
    chosen = Preprocessing(
        resize=way,
        crop_fraction=fraction,
        interpolation=interpolation or known.interpolation,
        pad_colour=pad_colour or (known.pad_colour if way == known.resize else _DEFAULT.pad_colour),
        bits=bits or FULL_BITS,
    )
    of_the_way = {"--pad-colour": pad_colour} if way == "pad" else {"--crop-fraction": crop_fraction}
    given = {"--resize": resize, **of_the_way, "--interpolation": interpolation}
    named = [option for option, value in given.items() if value is not None]
    others = [option for option, value in given.items() if value is None]
    defaults = f"{_in_words(others)} {'has its default' if len(others) == 1 else 'have their defaults'}"
    reasons = [", ".join(named)] if named else []
    if others:
        reasons.append(defaults if described is None else str(described.path))
    report(Guess("resize", f"{chosen.resize}, {_detail(chosen)}{chosen.interpolation}", "; ".join(reasons)))
    if bits is not None:
        report(Guess("bits", f"{bits} of grey pictures with 16 bits", "--bits"))
    return chosen


def _detail(chosen: Preprocessing) -> str:
    """Return what else a resize has, with a comma behind it: the part of a crop, the colour of a border."""
    match chosen.resize:
        case "crop":
            return f"{chosen.crop_fraction:.4g} of each side, "
        case "pad":
            return f"a border of RGB {', '.join(map(str, chosen.pad_colour))}, "
        case _:
            return ""


def _in_words(options: list[str]) -> str:
    """Return the options with commas and "and" between them."""
    *first, last = options or [""]
    return f"{', '.join(first)} and {last}" if first else last
