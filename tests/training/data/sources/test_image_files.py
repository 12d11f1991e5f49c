"""Image files decoded for training and for evaluation."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.contract import Colour, Input, Preprocessing, preprocess
from tests.training.data.conftest import CLASSES, picture
from training.data.dataset import open_dataset
from training.data.picture_fit import PictureFit

SMALL = Input(colour=Colour.RGB, height=7, width=7)


def test_training_pictures_have_room_for_random_crops(photos: Path) -> None:
    """An eighth of each side is margin: 8 pixels where the network takes 7."""
    assert open_dataset(str(photos), target=SMALL).train.images.shape == (54, 8, 8, 3)


def test_whole_pictures_are_trained_on_as_they_are_evaluated(tmp_path: Path) -> None:
    """With --resize squash or pad, and with an input of their shape, both edges of a wide picture are in the input."""
    colours = {"left": (200, 0, 0), "right": (0, 0, 200)}
    for name, colour in colours.items():
        (tmp_path / name).mkdir()
        for number in range(5):
            wide = Image.new("RGB", (420, 100 + number))
            wide.paste(colour, (0, 0, 20, 110) if name == "left" else (400, 0, 420, 110))
            wide.save(tmp_path / name / f"{number}.png")
    fits = (PictureFit(resize="squash"), PictureFit(resize="pad", pad_colour=(0, 9, 0)), PictureFit())
    square = Input(colour=Colour.RGB, height=64, width=64)
    for fit, target in zip(fits, (square, square, Input(colour=Colour.RGB, height=24, width=96)), strict=True):
        opened = open_dataset(str(tmp_path), target=target, fit=fit)
        parts = (opened.train, opened.validation, opened.calibration)
        assert opened.warnings.unseen == ""
        for part in parts if fit.resize else parts[1:]:
            assert part.images.shape[1:] == target.shape
            seen = part.images[:, :, [1, -2]].max(axis=(1, 3)) > 100
            assert seen.tolist() == [[label == 0, label == 1] for label in part.labels]
    cut = open_dataset(str(tmp_path), target=square)
    assert cut.validation.images.max() == 0
    assert "10 of 10 pictures are wider or taller than 1.6:1: a centre crop never sees 76 %" in cut.sentences()[-1]


def test_a_share_for_random_crops_leaves_a_margin_around_whole_pictures(photos: Path) -> None:
    """Whoever asks for random crops gets them."""
    opened = open_dataset(str(photos), target=SMALL, fit=PictureFit(resize="pad", random_crops=True))
    assert opened.train.images.shape[1:] == (8, 8, 3)


def test_the_middle_of_a_training_picture_is_what_evaluation_sees(tmp_path: Path) -> None:
    """Where evaluation cuts the margin off, it has the same scale: only the resampling of the border differs."""
    smooth = Image.linear_gradient("L").resize((256, 256)).convert("RGB")
    for number, name in enumerate(CLASSES * 3):
        (tmp_path / name).mkdir(exist_ok=True)
        smooth.point(lambda value, n=number: value * (20 - n) // 20).resize((300, 320)).save(
            tmp_path / name / f"{number}.png"
        )
    target, preprocessing = Input(colour=Colour.RGB, height=56, width=56), Preprocessing(crop_fraction=0.875)
    dataset = open_dataset(str(tmp_path), target=target, preprocessing=preprocessing)
    middle = dataset.train.images[:, 4:60, 4:60].astype(int)
    brightest = [
        preprocess(Image.open(tmp_path / name / f"{n}.png"), target, preprocessing)
        for n, name in enumerate(CLASSES * 3)
    ]
    assert all(min(np.abs(row - seen).max() for seen in brightest) <= 2 for row in middle)


def test_small_pictures_of_one_size_keep_it(tmp_path: Path) -> None:
    """A folder of grey 12x10 pictures is a data set of grey 12x10 pixels, not of photographs."""
    for name in CLASSES:
        (tmp_path / name).mkdir()
        for number in range(5):
            picture(ord(name[0]) * 100 + number, mode="L").save(tmp_path / name / f"{number}.png")
    dataset = open_dataset(str(tmp_path))
    assert dataset.target == Input(colour=Colour.L, height=10, width=12)
    assert dataset.train.images.shape == (9, 10, 12, 1)
    assert dataset.preprocessing.resize == "squash"


def test_pictures_of_many_sizes_are_taken_as_photographs(photos: Path) -> None:
    """224x224 in colour, 256x256 for training, unless the user says otherwise."""
    for number, path in enumerate(sorted(photos.glob("*/*.png"))):
        picture(number, (30 + number, 20)).save(path)
    dataset = open_dataset(str(photos))
    assert dataset.target.shape == (224, 224, 3)
    assert dataset.train.images.shape[1:] == (256, 256, 3)


def test_one_odd_picture_among_many_changes_nothing(tmp_path: Path) -> None:
    """Of 91 pictures one has another size and one has colours: the input stays small and grey, and both are named."""
    for number in range(91):
        mode, size = ("RGB" if number == 5 else "L"), ((29, 29) if number == 7 else (28, 28))
        (tmp_path / CLASSES[number % 3]).mkdir(exist_ok=True)
        picture(number, size, mode).save(tmp_path / CLASSES[number % 3] / f"{number}.png")
    dataset = open_dataset(str(tmp_path))
    assert dataset.target == Input(colour=Colour.L, height=28, width=28)
    assert sum(len(part) for part in (dataset.train, dataset.validation, dataset.calibration)) == 91
    told = dataset.sentences()
    assert told[0].endswith("; input 28x28 grey")
    assert any(f"{tmp_path}/bee/7.png (29x29); another input is chosen as in --size 224" in line for line in told)
    assert any(f"{tmp_path}/cat/5.png; --set colour=RGB keeps colours" in line for line in told)


@pytest.mark.parametrize("colour", Colour)
def test_a_colour_alone_takes_the_size_of_the_pictures(tmp_path: Path, colour: Colour) -> None:
    """As the sentence about odd pictures offers; also for photographs and for arrays."""
    for number in range(30):
        (tmp_path / CLASSES[number % 3]).mkdir(exist_ok=True)
        picture(number, (28, 24), "RGB" if number < 9 else "L").save(tmp_path / CLASSES[number % 3] / f"{number}.png")
    dataset = open_dataset(str(tmp_path), colour=colour)
    assert dataset.target == Input(colour=colour, height=24, width=28)
    assert dataset.train.images.shape[1:] == (24, 28, colour.channels)
    assert not any("colour=" in line for line in dataset.sentences())
    for number, path in enumerate(sorted(tmp_path.glob("*/*.png"))):
        Image.open(path).resize((300, 200 + number)).save(path)
    assert open_dataset(str(tmp_path), colour=colour).target == Input(colour=colour, height=224, width=224)


def write_sensor(root: Path, count: int = 20, size: tuple[int, int] = (12, 10)) -> None:
    """Pictures of a sensor of 12 bits as PNG of 16 bits."""
    for number in range(count * len(CLASSES)):
        folder = root / CLASSES[number % len(CLASSES)]
        folder.mkdir(parents=True, exist_ok=True)
        values = np.random.default_rng(number).integers(0, 4013, size[::-1], np.uint16)
        Image.fromarray(values).save(folder / f"{number:03}.png")


def test_twelve_bits_in_files_of_sixteen_are_scaled(tmp_path: Path) -> None:
    """The mean is half of the grey levels instead of 7, for training and evaluation, and one sentence says so."""
    write_sensor(tmp_path)
    opened = open_dataset(str(tmp_path))
    assert opened.preprocessing.bits == 12
    for images in (opened.train, opened.validation):
        assert 115 < images.images.mean() < 135
        assert len(np.unique(images.images)) > 150
    assert sum("read as 12 bits" in sentence for sentence in opened.sentences()) == 1


def test_the_bits_in_use_are_those_of_photographs_too(tmp_path: Path) -> None:
    """Also where training pictures have a margin for crops."""
    write_sensor(tmp_path, count=4, size=(300, 260))
    opened = open_dataset(str(tmp_path), target=SMALL)
    assert opened.preprocessing.bits == 12
    assert 115 < opened.train.images.mean() < 135


def test_one_hot_pixel_changes_nothing_and_is_named(tmp_path: Path) -> None:
    """It becomes white."""
    write_sensor(tmp_path)
    path = tmp_path / CLASSES[0] / "000.png"
    values = np.array(Image.open(path))
    values[3, 3] = 65535
    Image.fromarray(values).save(path)
    opened = open_dataset(str(tmp_path))
    assert opened.preprocessing.bits == 12
    assert any(f"become white in 1 of 60: {path} (65,535)" in sentence for sentence in opened.sentences())


def test_given_bits_are_taken_without_a_word(tmp_path: Path) -> None:
    """By an option, or with the preprocessing of a bundle."""
    write_sensor(tmp_path, count=4)
    for opened in (
        open_dataset(str(tmp_path), bits=16),
        open_dataset(str(tmp_path), preprocessing=Preprocessing(), target=SMALL),
    ):
        assert opened.preprocessing.bits == 16
        assert opened.validation.images.max() < 16
        assert not any("of 16 bits" in sentence for sentence in opened.sentences())


def test_a_brighter_test_part_does_not_choose_the_bits(tmp_path: Path) -> None:
    """What judges has no say in how it is read."""
    write_sensor(tmp_path / "train", count=4)
    for name in CLASSES:
        (tmp_path / "test" / name).mkdir(parents=True)
        Image.fromarray(np.full((10, 12), 60000 + ord(name[0]), np.uint16)).save(tmp_path / "test" / name / "1.png")
    assert open_dataset(str(tmp_path)).preprocessing.bits == 12
