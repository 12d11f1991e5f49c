"""How a picture becomes the input of a network with weights of others: by options, its training's, or defaults."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.contract import Colour, Input, Preprocessing
from training.errors import TrainingError
from training.importing.config_files import timm_settings
from training.importing.guesses import Guess, Report
from training.importing.import_options import ImportOptions
from training.importing.normalization import ChannelOrder, DescribedNormalization, choose_described_normalization
from training.importing.resize_choice import DescribedResize, choose_resize
from training.networks.exported_module import Scaling

_SETTINGS = ("input_size", "mean", "std", "crop_pct", "crop_mode", "interpolation")
"""Names of timm for what is known about the input; torchvision's settings are given under them too."""

_KEPT = ("mean", "std", "crop_pct", "interpolation")
"""Those that timm's training script always writes, without a value where it takes the library's."""


@dataclass(frozen=True)
class Preparation:
    """Input and preprocessing of a bundle.

    scaling: in the order of the bundle's channels; reverse: whether the network takes them as blue, green, red.
    """

    target: Input
    preprocessing: Preprocessing
    scaling: Scaling
    reverse: bool


@dataclass(frozen=True)
class KnownSettings:
    """What is known without options: settings under timm's names, and where they come from, in words.

    path: file that messages about wrong values name.
    """

    path: Path
    values: dict[str, Any]
    source: str


def with_settings_of_training(
    published: KnownSettings, given: dict[str, Any], checkpoint: Path | None, options: ImportOptions
) -> KnownSettings:
    """Return the published settings with those that a training was given, by timm's names, in their place.

    given: empty where the checkpoint does not say how it was trained. The published ones are an assumption, and called
    so, for each name that it lacks: timm's script writes None for what it takes from the library. Settings that options
    replace are left out.
    """
    if checkpoint is None:
        return published
    replaced = _replaced(options)
    chosen = {key: given[key] for key in _SETTINGS if given.get(key) not in (None, "") and key not in replaced}
    assumed = any(key not in given for key in _KEPT)
    rest = f"the rest by {published.source}" if chosen else published.source
    what = f"{', '.join(chosen)} of the training in {checkpoint.name}, {rest}" if chosen else rest
    if assumed:
        what = f"assumed: {what}, since {checkpoint.name} does not say {'more of ' if chosen else ''}how pictures were"
        return KnownSettings(checkpoint, published.values | chosen, f"{what} prepared")
    source = what if chosen else f"{what}, which {checkpoint.name} was trained with"
    return KnownSettings(checkpoint, published.values | chosen, source)


def _replaced(options: ImportOptions) -> set[str]:
    """Return the settings in whose place options are given."""
    scaling = options.preset is not None or (options.mean is not None and options.std is not None)
    return {
        *(["input_size"] if options.size is not None else []),
        *(["mean", "std"] if scaling else []),
        *(["crop_pct"] if options.crop_fraction is not None else []),
        *(["crop_mode"] if options.resize is not None else []),
        *(["interpolation"] if options.interpolation is not None else []),
    }


def prepare(known: KnownSettings, channels: int, options: ImportOptions, report: Report) -> Preparation:
    """Return input and preprocessing. Options go before what is known; each fact is reported with its source.

    channels: of the network's input, 1 or 3. Raises TrainingError for options and settings that no bundle can have.
    """
    values = {key: known.values[key] for key in _SETTINGS if key in known.values}
    lists = {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}
    found = timm_settings(known.path, lists)
    if options.size is not None:
        width, height = options.size
    elif found.input is not None and found.input.size is not None:
        height, width = found.input.size
    else:
        raise TrainingError("nothing says how large the network's input is: give its side in pixels with --size")
    report(Guess("size", f"{width}x{height}", "--size" if options.size is not None else known.source))
    if found.normalization is None:
        raise TrainingError("nothing says what numbers the network takes: give --preset, or --mean and --std")
    normalization = choose_described_normalization(
        channels,
        DescribedNormalization(known.source, found.normalization.normalization),
        report,
        preset=options.preset,
        mean=options.mean,
        std=options.std,
        order=options.colour,
    )
    preprocessing = _resize(known, None if found.resize is None else found.resize.preprocessing, options, report)
    colour = Colour.L if channels == 1 else Colour.RGB
    reverse = normalization.order is ChannelOrder.BGR
    step = -1 if reverse else 1
    return Preparation(
        Input(colour=colour, height=height, width=width),
        preprocessing,
        Scaling(*(_each(values, channels)[::step] for values in (normalization.mean, normalization.std))),
        reverse,
    )


def _resize(
    known: KnownSettings, preprocessing: Preprocessing | None, options: ImportOptions, report: Report
) -> Preprocessing:
    if preprocessing is None and options.resize is None and options.crop_fraction is None:
        mode, share = known.values.get("crop_mode"), known.values.get("crop_pct")
        raise TrainingError(
            f"pictures are cut by {mode!r} at {share}, for which a bundle has no words: choose --resize crop, "
            "squash or pad"
        )
    described = None if preprocessing is None else DescribedResize(known.source, preprocessing)
    return choose_resize(
        report,
        resize=options.resize,
        crop_fraction=options.crop_fraction,
        pad_colour=options.pad_colour,
        interpolation=options.interpolation,
        bits=options.bits,
        described=described,
    )


def _each(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    return values * channels if len(values) == 1 else values
