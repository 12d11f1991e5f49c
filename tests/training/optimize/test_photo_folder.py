"""Crops of photographs from a folder."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.contract import Colour, Input, Preprocessing
from training.errors import DatasetError
from training.optimize import photo_folder
from training.optimize.photo_folder import folder_crops, interval_of_share

TARGET = Input(colour=Colour.RGB, height=8, width=8)


def write_photos(folder: Path, count: int) -> Path:
    """Each of one colour; in two formats and two folders, beside a file that is no picture."""
    (folder / "more").mkdir(parents=True)
    for index in range(count):
        path = folder / ("more" if index % 2 else ".") / f"{index}.{'png' if index % 3 else 'webp'}"
        Image.new("RGB", (20, 16), (index * 5, 10, 200)).save(path, lossless=True)
    (folder / "broken.jpg").write_bytes(b"no picture")
    (folder / "notes.txt").write_text("notes")
    return folder


def test_no_photograph_both_makes_and_judges(tmp_path: Path) -> None:
    """A third makes; 2,000 crops or more of the others judge, and know their photograph."""
    making, testing = folder_crops(write_photos(tmp_path / "photos", 45), TARGET, Preprocessing())
    colours = [set(part.pixels[:, 0, 0, 0].tolist()) for part in (making, testing)]
    assert [len(each) for each in colours] == [15, 30]
    assert not colours[0] & colours[1]
    assert len(testing.pixels) >= 2000
    assert testing.pixels.shape[1:] == TARGET.shape
    assert [len(set(part.groups.tolist())) for part in (making, testing)] == [15, 30]
    assert testing.description.startswith(f"{len(testing.pixels):,} random crops")
    again = folder_crops(tmp_path / "photos", TARGET, Preprocessing())[1]
    np.testing.assert_array_equal(again.pixels, testing.pixels)


def test_damaged_photographs_and_thumbnails_do_not_count(tmp_path: Path) -> None:
    """A thumbnail of a photograph that makes a variant would judge it."""
    folder = write_photos(tmp_path / "photos", 45)
    expected = folder_crops(folder, TARGET, Preprocessing())
    for path in sorted(folder.glob("*.png")):
        (folder / "@eaDir" / path.name).mkdir(parents=True)
        (folder / "@eaDir" / path.name / "SYNOPHOTO_THUMB_M.png").write_bytes(path.read_bytes())
    for part, found in zip(expected, folder_crops(folder, TARGET, Preprocessing()), strict=True):
        np.testing.assert_array_equal(found.pixels, part.pixels)
    for path in [*folder.glob("2.png"), *folder.glob("4.png")]:
        path.write_bytes(path.read_bytes()[:-30])
    made = folder_crops(folder, TARGET, Preprocessing())
    assert sum(len(set(part.groups.tolist())) for part in made) == 43


def test_few_photographs_of_many_judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So memory does not grow with the folder."""
    monkeypatch.setattr(photo_folder, "_MOST_TEST_PHOTOS", 10)
    testing = folder_crops(write_photos(tmp_path / "photos", 45), TARGET, Preprocessing())[1]
    assert len(set(testing.groups.tolist())) == 10


@pytest.mark.parametrize(("count", "reason"), [(None, "there is no folder"), (5, "has 5 photographs: give 30 or more")])
def test_too_few_photographs_are_refused(tmp_path: Path, count: int | None, reason: str) -> None:
    """With the number that is needed."""
    folder = tmp_path / "photos"
    if count is not None:
        write_photos(folder, count)
    with pytest.raises(DatasetError, match=reason):
        folder_crops(folder, TARGET, Preprocessing())


def test_transparent_parts_become_white(tmp_path: Path) -> None:
    """As a browser shows them."""
    for index in range(30):
        Image.new("RGBA", (20, 20), (0, 0, 0, 0)).save(tmp_path / f"{index}.png")
    assert folder_crops(tmp_path, TARGET, Preprocessing())[0].pixels.min() == 255


def test_the_interval_counts_photographs_not_crops() -> None:
    """Ten crops that agree with each other are worth one; more photographs say more."""
    groups = np.arange(100).repeat(10)
    same = (groups % 10 > 0).astype(np.bool_)  # of every tenth photograph all crops change
    low, high = interval_of_share(same, groups)
    independent = interval_of_share(same, np.arange(1000))
    assert low < 0.9 < high
    assert high - low > 2.5 * (independent[1] - independent[0])
    assert interval_of_share(np.ones(5, np.bool_), np.arange(5)) == (1.0, 1.0)
