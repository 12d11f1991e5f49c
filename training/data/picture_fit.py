"""What a person chose about how pictures become inputs, where the data would decide otherwise."""

from dataclasses import dataclass

from models.contract import Preprocessing, Resize
from training.data.option_values import BorderColour


@dataclass(frozen=True)
class PictureFit:
    """resize, pad_colour: None for those of the data. random_crops: whether training images are cut out of larger ones
    although the whole picture is kept in evaluation. fixed_size: whether the network takes one size only.
    """

    resize: Resize | None = None
    pad_colour: BorderColour | None = None
    random_crops: bool = False
    fixed_size: bool = False

    def applied_to(self, preprocessing: Preprocessing) -> Preprocessing:
        """Return the preprocessing of the data with what was chosen in its place."""
        chosen = {"resize": self.resize, "pad_colour": self.pad_colour}
        return preprocessing.model_copy(update={name: value for name, value in chosen.items() if value is not None})

    def shows_whole(self, preprocessing: Preprocessing) -> bool:
        """Return whether training images are whole pictures, prepared as in evaluation.

        They are where pictures are padded, and where a squash was chosen. A squash that nobody chose is the default of
        small grey images, of which a larger copy is cropped at random, as of all others.
        """
        return not self.random_crops and (preprocessing.resize == "pad" or self.resize == "squash")
