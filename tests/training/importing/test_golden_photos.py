"""Photos for golden images."""

from io import BytesIO

import pytest
from PIL import Image

from training.data.package_files import read_package_file
from training.errors import DatasetError
from training.importing.golden_photos import SCIKIT_IMAGE, SCIKIT_LEARN, SHIPPED_NOTES, Photos, shipped_photos


@pytest.mark.parametrize("photos", [SCIKIT_IMAGE, SCIKIT_LEARN], ids=lambda photos: photos.package)
def test_photos_are_colour_images_with_their_authors(photos: Photos) -> None:
    """Each file has a note, and the format that its suffix names."""
    for golden in photos.read():
        with Image.open(BytesIO(golden.encoded)) as image:
            assert image.mode == "RGB"
            assert image.format == {"jpg": "JPEG", "png": "PNG"}[golden.name.partition(".")[2]]
        assert any(golden.name in note for note in photos.notes)


def test_a_photo_that_keeps_its_format_is_not_encoded_again() -> None:
    """The bytes are those of the package."""
    flower = next(golden for golden in SCIKIT_LEARN.read() if golden.name == "flower.jpg")
    assert flower.encoded == read_package_file("scikit-learn", "sklearn/datasets/images/flower.jpg")


def test_photos_of_a_missing_package_are_refused() -> None:
    """The message names the package to install."""
    with pytest.raises(DatasetError, match="pip install --no-deps no-such"):
        Photos("no-such", {"a.jpg": "a/a.jpg"}, ()).read()


def test_the_shipped_photos_need_no_package() -> None:
    """Three small JPEGs in colour, each with its author."""
    photos = shipped_photos()
    assert [photo.name for photo in photos] == ["cat.jpg", "espresso.jpg", "rocket.jpg"]
    for photo, note in zip(photos, SHIPPED_NOTES, strict=True):
        with Image.open(BytesIO(photo.encoded)) as image:
            assert (image.format, image.mode, image.width) == ("JPEG", "RGB", 320)
        assert photo.name in note
