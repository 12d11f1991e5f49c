"""The photos that an ImageNet bundle carries as golden images: free of rights, from the package `scikit-image`."""

from importlib.metadata import files
from io import BytesIO

from PIL import Image

from training.errors import DatasetError
from training.golden import GoldenImage, encode

PACKAGE = "scikit-image"
PHOTO_NOTES = (
    "Golden photo espresso.jpg: skimage.data.coffee, by Rachel Michetti, CC0, encoded again as JPEG.",
    "Golden photo cat.png: skimage.data.chelsea, by Stefan van der Walt, CC0.",
    "Golden photo rocket.jpg: skimage.data.rocket, by SpaceX, public domain.",
)


def golden_photos() -> tuple[GoldenImage, ...]:
    """An espresso, a cat and a rocket, between 300 and 640 pixels a side, together under 0.5 MB.

    The files are read, scikit-image is not imported. Raises DatasetError when a photo is missing.
    """
    return (
        encode(Image.open(BytesIO(_read("coffee.png"))), "espresso.jpg", "JPEG"),
        GoldenImage("cat.png", _read("chelsea.png")),
        GoldenImage("rocket.jpg", _read("rocket.jpg")),
    )


def _read(name: str) -> bytes:
    found = [file for file in files(PACKAGE) or () if file.parts == ("skimage", "data", name)]
    if not found:
        raise DatasetError(f"this version of {PACKAGE} has no photo {name}")
    return found[0].read_binary()
