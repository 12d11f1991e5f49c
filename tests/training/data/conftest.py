"""Tiny pictures in folders."""

import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

CLASSES = ("ant", "bee", "cat")
Size = tuple[int, int]


def picture(seed: int, size: Size = (12, 10), mode: str = "RGB") -> Image.Image:
    """Noise, another one for each seed; size: width and height."""
    channels = {"RGB": (3,), "RGBA": (4,), "L": ()}[mode]
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], *channels), dtype=np.uint8)
    return Image.fromarray(pixels)


def write_class(folder: Path, count: int, seed: int = 0, size: Size = (12, 10), suffix: str = ".png") -> None:
    """`count` different pictures in one class folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        picture(zlib.crc32(f"{folder.name} {seed} {number}".encode(errors="replace")), size).save(
            folder / f"{number:03}{suffix}"
        )


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three classes of 20 pictures each."""
    root = tmp_path / "photos"
    for name in CLASSES:
        write_class(root / name, 20)
    return root


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"
