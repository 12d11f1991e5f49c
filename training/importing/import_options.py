"""What the user says about a network of others, whatever file it comes in."""

from dataclasses import dataclass
from pathlib import Path

from models.contract import Resize
from training.data.option_values import BorderColour, InputSize
from training.importing.normalization import ChannelOrder, Channels, Preset
from training.importing.resize_choice import Interpolation


@dataclass(frozen=True)
class ImportOptions:
    """The names of the classes and how a picture becomes the network's input; None is found out or assumed.

    mean, std: one number or one for each channel, in grey levels where any of them exceeds 1, else as shares of 255.
    pad_colour: of the border where pictures are padded. bits: of `Preprocessing`; None are 16. check: a photo to
    classify. golden: a folder with photos for the golden images.
    """

    labels: Path | None = None
    preset: Preset | None = None
    mean: Channels | None = None
    std: Channels | None = None
    colour: ChannelOrder | None = None
    size: InputSize | None = None
    resize: Resize | None = None
    pad_colour: BorderColour | None = None
    crop_fraction: float | None = None
    interpolation: Interpolation | None = None
    bits: int | None = None
    check: Path | None = None
    golden: Path | None = None
