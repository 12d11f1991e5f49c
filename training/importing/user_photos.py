"""Photos of the user as golden images, and the photo that a new bundle is tried on."""

from pathlib import Path

from PIL import Image

from models.contract import Input, Pixels, Preprocessing, preprocess_native_size
from training.data.sources.open_image import UnreadableImage, read_pixels
from training.errors import OnnxImportError
from training.importing.golden_images import GoldenImage, encode
from training.importing.guesses import Guess, Report

MOST_PHOTOS = 8
"""Limit of golden images, which a server runs one after the other each time it loads the bundle."""
_KEPT = {"JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png"}
"""Pillow's names of the formats that golden images may have; MPO is a JPEG with further pictures behind it."""


def golden_photos(
    folder: Path, target: Input, preprocessing: Preprocessing, report: Report
) -> tuple[tuple[GoldenImage, ...], tuple[str, ...]]:
    """Return the photos of `user_photos` as golden images, and what the manifest says about them; they are reported.

    Raises OnnxImportError as `user_photos` does.
    """
    photos = user_photos(folder, target, preprocessing)
    report(
        Guess("golden", f"{len(photos)}, {', '.join(photos)}", f"--golden {folder}, the first {MOST_PHOTOS} by name")
    )
    return tuple(photos.values()), tuple(f"Golden photo {image.name}: {name}." for name, image in photos.items())


def user_photos(folder: Path, target: Input, preprocessing: Preprocessing) -> dict[str, GoldenImage]:
    """Return the first 8 files of a folder, sorted by name, by their names there; hidden files do not count.

    JPEG and PNG stay as they are, other formats become PNG. Raises OnnxImportError for a folder without files, and for
    a file that cannot be read as an image.
    """
    if not folder.is_dir():
        raise OnnxImportError(f"{folder} is no folder: give --golden a folder with photos")
    paths = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))[:MOST_PHOTOS]
    if not paths:
        raise OnnxImportError(f"{folder} holds no files: give --golden a folder with photos")
    for path in paths:
        _read(path, target, preprocessing, "--golden")
    return {path.name: _golden(path, number, target, preprocessing) for number, path in enumerate(paths, 1)}


def read_photo(path: Path, target: Input, preprocessing: Preprocessing) -> Pixels:
    """Return the photo of --check as uint8 [height, width, channels]. Raises OnnxImportError."""
    return _read(path, target, preprocessing, "--check")


def _read(path: Path, target: Input, preprocessing: Preprocessing, option: str) -> Pixels:
    try:
        return read_pixels(path, target, preprocessing)
    except UnreadableImage as error:
        raise OnnxImportError(f"{path} cannot be used for {option}: {error}") from error


def _golden(path: Path, number: int, target: Input, preprocessing: Preprocessing) -> GoldenImage:
    with Image.open(path) as image:
        if image.format in _KEPT:
            return GoldenImage(f"{number}{_KEPT[image.format]}", path.read_bytes())
        pixels = preprocess_native_size(image, target, preprocessing).pixels
    return encode(Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0]), f"{number}.png", "PNG")
