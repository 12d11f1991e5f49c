"""Photos from Python packages that bundles of published weights have as golden images."""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath

from PIL import Image

from training.data.package_files import read_package_file
from training.importing.golden_images import GoldenImage, encode


@dataclass(frozen=True)
class Photos:
    """Photos of one package. files: name in the bundle -> path in `package`; notes: authors, licences and changes."""

    package: str
    files: dict[str, str]
    notes: tuple[str, ...]

    def read(self) -> tuple[GoldenImage, ...]:
        """Read the files without importing the package; a file whose format changes is encoded again.

        Raises DatasetError when the package or a photo is missing.
        """
        return tuple(_golden(name, path, read_package_file(self.package, path)) for name, path in self.files.items())


SCIKIT_IMAGE = Photos(
    "scikit-image",
    {
        "espresso.jpg": "skimage/data/coffee.png",
        "cat.png": "skimage/data/chelsea.png",
        "rocket.jpg": "skimage/data/rocket.jpg",
    },
    (
        "Golden photo espresso.jpg: skimage.data.coffee, by Rachel Michetti, CC0, encoded again as JPEG.",
        "Golden photo cat.png: skimage.data.chelsea, by Stefan van der Walt, CC0.",
        "Golden photo rocket.jpg: skimage.data.rocket, by SpaceX, public domain.",
    ),
)
"""An espresso, a cat and a rocket, between 300 and 640 pixels a side, together under 0.5 MB."""

SCIKIT_LEARN = Photos(
    "scikit-learn",
    {"temple.jpg": "sklearn/datasets/images/china.jpg", "flower.jpg": "sklearn/datasets/images/flower.jpg"},
    (
        "Golden photo temple.jpg: china.jpg of scikit-learn, by danielbuechele, flickr.com, CC BY 2.0.",
        "Golden photo flower.jpg: flower.jpg of scikit-learn, by vultilion, flickr.com, CC BY 2.0.",
    ),
)
"""A temple and a flower, 640x427 pixels; the package is part of the extra `train`."""

SHIPPED_NOTES = (
    "Golden photo cat.jpg: by Stefan van der Walt, CC0, from skimage.data, made smaller.",
    "Golden photo espresso.jpg: by Rachel Michetti, CC0, from skimage.data, made smaller.",
    "Golden photo rocket.jpg: by SpaceX, public domain, from skimage.data, made smaller.",
)
_SHIPPED = Path(__file__).parent / "photos"


def shipped_photos() -> tuple[GoldenImage, ...]:
    """Return three photos that are part of this package, 320 pixels wide, sorted by name; they need no other one."""
    return tuple(GoldenImage(path.name, path.read_bytes()) for path in sorted(_SHIPPED.glob("*.jpg")))


def _golden(name: str, path: str, encoded: bytes) -> GoldenImage:
    if PurePosixPath(name).suffix == PurePosixPath(path).suffix:
        return GoldenImage(name, encoded)
    return encode(Image.open(BytesIO(encoded)), name, "JPEG")
