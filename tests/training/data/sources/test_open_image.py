"""Files that are not what they seem: passed over with a reason, never a crash and never wrong pixels."""

import io
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.contract import FORMATS, Colour, Input, Preprocessing
from tests.support.pictures import png_file
from tests.training.data.conftest import picture
from training.data.dataset import Dataset, open_dataset
from training.data.sources.open_image import (
    MAX_FILE_BYTES,
    UnreadableImage,
    read_header,
    read_pixels,
    reads_heic,
)
from training.errors import DatasetError

ROOT = Path(__file__).parents[4]
SMALL = Input(colour=Colour.RGB, height=7, width=7)


def encoded(kind: str, size: tuple[int, int] = (64, 48)) -> bytes:
    buffer = io.BytesIO()
    picture(1, size).save(buffer, kind)
    return buffer.getvalue()


def png_of(width: int, height: int) -> bytes:
    """A PNG that says how large it is, and has no pixels."""
    return png_file((width, height, 8, 2, 0, 0, 0))


def floats() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((4, 4), np.float32)).save(buffer, "TIFF")
    return buffer.getvalue()


HOSTILE = {
    "truncated.jpg": (encoded("JPEG")[:700], "truncated or damaged"),
    "truncated.png": (encoded("PNG")[:700], "truncated or damaged"),
    "text.jpg": (b"Dear reader, this is no picture.", "not a picture in one of the formats JPEG, PNG"),
    "page.png": (b"<html><body>404</body></html>", "not a picture in one of the formats"),
    "empty.jpg": (b"", "an empty file"),
    "zeros.png": (bytes(1000), "not a picture in one of the formats"),
    "vector.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture in one of the formats"),
    "bomb.png": (png_of(100_000, 100_000), "more than 89,478,485 pixels"),
    "large.png": (png_of(10_000, 9_000), "more than 89,478,485"),
    "floats.tiff": (floats(), "pixel format F"),
}


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_of_the_service_is_read(tmp_path: Path, kind: str) -> None:
    """One list for training, evaluation and service."""
    (tmp_path / "picture").write_bytes(encoded(kind))
    assert read_header(tmp_path / "picture").size == (64, 48)
    assert read_pixels(tmp_path / "picture", SMALL, Preprocessing()).shape == SMALL.shape


def test_a_photo_that_lies_on_its_side_is_measured_upright(tmp_path: Path) -> None:
    """By the EXIF orientation that telephones write."""
    exif = Image.Exif()
    for orientation, size in ((1, (40, 20)), (6, (20, 40))):
        exif[0x0112] = orientation
        Image.new("RGB", (40, 20)).save(tmp_path / "photo.jpg", exif=exif)
        assert read_header(tmp_path / "photo.jpg").upright_size == size


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_that_is_no_picture_has_a_reason(tmp_path: Path, name: str) -> None:
    """Whether its header gives it away or only its pixels."""
    content, reason = HOSTILE[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UnreadableImage, match=reason):
        read_pixels(tmp_path / name, SMALL, Preprocessing())


def test_hostile_files_are_reported_and_skipped(photos: Path) -> None:
    """The others are read as if the hostile ones were not there, and every skipped file is named with its reason."""
    for name, (content, _) in HOSTILE.items():
        (photos / "ant" / name).write_bytes(content)
    dataset = open_dataset(str(photos), target=SMALL)
    assert total(dataset) == 60
    reasons = {Path(file.path).name: file.reason for file in dataset.warnings.skipped}
    assert reasons.keys() == HOSTILE.keys()
    assert any(
        line.endswith(f"text.jpg: not a picture in one of the formats {', '.join(FORMATS)}")
        for line in dataset.sentences()
    )


@pytest.mark.parametrize("content", [b"no picture", encoded("JPEG")[:700]])
def test_a_class_of_which_nothing_can_be_read_is_refused(photos: Path, content: bytes) -> None:
    """Found in the header or only in the pixels: the class and its first file are named."""
    (photos / "dog").mkdir()
    for number in range(20):
        (photos / "dog" / f"{number:02}.jpg").write_bytes(content + bytes([number]))
    with pytest.raises(DatasetError, match=r"no picture of the class 'dog' can be read; the first is .*dog/\d\d.jpg: "):
        open_dataset(str(photos), target=SMALL)


def test_odd_names_are_read_and_shown_in_escapes(photos: Path) -> None:
    """Unicode, line breaks, bytes that are no UTF-8, no suffix, a wrong suffix: the contents decide."""
    names = ["猫 🐈.jpg", "two\nlines.png", "\udce9.png", "no suffix", "picture.txt", "-rf", "a" * 250]
    for number, name in enumerate(names):
        (photos / "ant" / name).write_bytes(encoded("PNG", (20 + number, 9)))
    (photos / "ant" / "\x1b[31m\udce9").write_bytes(b"no picture")
    dataset = open_dataset(str(photos), target=SMALL)
    assert total(dataset) == 60 + len(names)
    assert all(line.isprintable() for line in dataset.sentences())


def test_what_is_no_file_is_not_waited_for(photos: Path) -> None:
    """A pipe without a writer, a link to nowhere and a link to itself are passed over."""
    os.mkfifo(photos / "ant" / "pipe.jpg")
    (photos / "ant" / "nowhere.jpg").symlink_to(photos / "nowhere")
    (photos / "ant" / "itself.jpg").symlink_to(photos / "ant" / "itself.jpg")
    dataset = open_dataset(str(photos), target=SMALL)
    assert [(Path(file.path).name, file.reason) for file in dataset.warnings.skipped] == [
        ("itself.jpg", "Too many levels of symbolic links"),
        ("nowhere.jpg", "No such file or directory"),
        ("pipe.jpg", "not a file"),
    ]


def test_a_heic_photo_is_read_or_named_with_the_remedy(tmp_path: Path) -> None:
    """Read where the extra is installed; this one is damaged then."""
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64))
    installed = find_spec("pillow_heif") is not None
    assert reads_heic() == installed
    reason = "truncated or damaged" if installed else "a HEIC photo: convert HEIC photos to JPEG, or let"
    with pytest.raises(UnreadableImage, match=reason):
        read_header(tmp_path / "a.heic")


def test_an_empty_file_is_called_so(tmp_path: Path) -> None:
    """A download that failed leaves one behind."""
    (tmp_path / "a.jpg").touch()
    with pytest.raises(UnreadableImage, match="an empty file"):
        read_header(tmp_path / "a.jpg")


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    """However little of it is on the disk."""
    with (tmp_path / "huge.jpg").open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(UnreadableImage, match="268,435,457 bytes, more than 268,435,456"):
        read_header(tmp_path / "huge.jpg")


def test_a_path_with_a_zero_byte_is_skipped(photos: Path) -> None:
    """A table may say anything."""
    rows = [f"{path},{path.parent.name}" for path in photos.glob("*/*.png")]
    (photos / "t.csv").write_text("\n".join(["path,label", *rows, "a\0b,ant", "/etc,ant", "/dev/zero,bee"]))
    dataset = open_dataset(str(photos / "t.csv"), target=SMALL)
    assert total(dataset) == 60
    assert [file.reason for file in dataset.warnings.skipped] == ["embedded null byte", "not a file", "not a file"]


def total(dataset: Dataset) -> int:
    return len(dataset.train) + len(dataset.validation) + len(dataset.calibration)


def test_damaged_metadata_are_no_warning_of_pillow(tmp_path: Path) -> None:
    """Such a picture is read; a warning would show a line of source and not the file."""
    exif = b"Exif\0\0II*\0\x08\0\0\0\x05\0\x12\x01\x03\0\x01\0\0\0\x06"  # 5 entries, of which one has begun
    picture(1, (64, 48)).save(tmp_path / "a.jpg", exif=exif)
    code = (
        "import sys; from pathlib import Path; from models.contract import Colour, Input, Preprocessing; "
        "from training.data.sources.open_image import read_pixels; "
        "read_pixels(Path(sys.argv[1]), Input(colour=Colour.RGB, height=7, width=7), Preprocessing())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "a.jpg"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stderr == ""
