"""Golden images of a bundle."""

from pathlib import Path

from PIL import Image

from tests.training.conftest import SIDE
from tests.training.importing.conftest import Fill, make


def test_golden_images_are_encoded_pictures(tmp_path: Path, fill: Fill) -> None:
    """PNG and JPEG bytes as a client would send them, of the stated size."""
    make(tmp_path, fill)
    for name, image_format in (("0.png", "PNG"), ("1.jpg", "JPEG")):
        with Image.open(tmp_path / "stripes" / "1" / "golden" / name) as image:
            assert (image.format, image.size) == (image_format, (SIDE, SIDE))
