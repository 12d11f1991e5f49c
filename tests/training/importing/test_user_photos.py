"""Photos of the user: golden images and the photo to check."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.contract import Colour, Input, Preprocessing
from training.errors import OnnxImportError
from training.importing.user_photos import read_photo, user_photos

TARGET = Input(colour=Colour.RGB, height=16, width=16)
GREY = Input(colour=Colour.L, height=16, width=16)
PREPROCESSING = Preprocessing()


def write_photo(path: Path, picture_format: str, mode: str = "RGB") -> bytes:
    Image.fromarray(np.arange(1200, dtype=np.uint8).reshape(20, 20, 3)).convert(mode).save(path, picture_format)
    return path.read_bytes()


def test_the_first_eight_files_are_taken_in_their_order(tmp_path: Path) -> None:
    """Hidden files and folders do not count."""
    for index in range(9, -1, -1):
        write_photo(tmp_path / f"photo {index}.jpg", "JPEG")
    (tmp_path / ".DS_Store").write_bytes(b"no photo")
    (tmp_path / "a folder").mkdir()
    photos = user_photos(tmp_path, TARGET, PREPROCESSING)
    assert list(photos) == [f"photo {index}.jpg" for index in range(8)]
    assert [photo.name for photo in photos.values()] == [f"{number}.jpg" for number in range(1, 9)]


def test_golden_images_are_jpeg_or_png(tmp_path: Path) -> None:
    """These stay as they are; other formats become PNG with the pixels of the network's colours."""
    jpeg, png = write_photo(tmp_path / "a.jpeg", "JPEG"), write_photo(tmp_path / "b", "PNG")
    write_photo(tmp_path / "c.webp", "WEBP")
    write_photo(tmp_path / "d.tif", "TIFF", "CMYK")
    photos = list(user_photos(tmp_path, TARGET, PREPROCESSING).values())
    assert [photo.name for photo in photos] == ["1.jpg", "2.png", "3.png", "4.png"]
    assert [photo.encoded for photo in photos[:2]] == [jpeg, png]
    assert Image.open(io.BytesIO(photos[3].encoded)).mode == "RGB"
    grey = list(user_photos(tmp_path, GREY, PREPROCESSING).values())
    assert Image.open(io.BytesIO(grey[2].encoded)).mode == "L"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "holds no files: give --golden a folder with photos"),
        (
            b"\x00\x00\x00\x18ftypheic",
            "photo.heic cannot be used for --golden: a HEIC photo: convert",
        ),
        (b"\xff\xd8\xff\xe0 damaged", "photo.heic cannot be used for --golden"),
    ],
    ids=["empty", "heic", "damaged"],
)
def test_a_folder_without_readable_photos_is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    """The message names the file and the formats."""
    if content is not None:
        (tmp_path / "photo.heic").write_bytes(content)
    with pytest.raises(OnnxImportError, match=message):
        user_photos(tmp_path, TARGET, PREPROCESSING)


def test_a_photo_to_check_is_read_as_the_service_reads_it(tmp_path: Path) -> None:
    """As the pixels of the network's input."""
    write_photo(tmp_path / "a.jpg", "JPEG")
    assert read_photo(tmp_path / "a.jpg", TARGET, PREPROCESSING).shape == (16, 16, 3)
    with pytest.raises(OnnxImportError, match="b.jpg cannot be used for --check: No such file"):
        read_photo(tmp_path / "b.jpg", TARGET, PREPROCESSING)
    with pytest.raises(OnnxImportError, match="is no folder: give --golden a folder"):
        user_photos(tmp_path / "a.jpg", TARGET, PREPROCESSING)
