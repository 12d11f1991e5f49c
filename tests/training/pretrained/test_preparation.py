"""How a picture becomes the input of a network with weights of others."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from timm.data.transforms_factory import create_transform

from models.contract import preprocess
from training.data.option_values import InputSize
from training.errors import TrainingError
from training.importing.guesses import Guess
from training.importing.import_options import ImportOptions
from training.importing.normalization import ChannelOrder, Preset
from training.pretrained.preparation import KnownSettings, Preparation, prepare, with_settings_of_training

VALUES = {"input_size": (3, 64, 48), "mean": (0.5, 0.4, 0.3), "std": (0.5, 0.5, 0.5), "crop_pct": 0.9}
PUBLISHED = KnownSettings(Path("net"), VALUES | {"crop_mode": "center", "interpolation": "bicubic"}, "settings of net")


def prepared(known: KnownSettings = PUBLISHED, channels: int = 3, **options: Any) -> tuple[Preparation, list[Guess]]:
    guesses = list[Guess]()
    return prepare(known, channels, ImportOptions(**options), guesses.append), guesses


def test_published_settings_are_taken_with_their_source() -> None:
    """Mean and deviation become grey levels."""
    found, guesses = prepared()
    assert found.target.shape == (64, 48, 3)
    assert list(found.scaling.mean) == pytest.approx([127.5, 102, 76.5])
    assert (found.preprocessing.crop_fraction, found.preprocessing.interpolation) == (0.9, "bicubic")
    assert {guess.what for guess in guesses if guess.reason == "settings of net"} == {"size", "scaling", "resize"}


def test_options_go_before_everything() -> None:
    """Each is named as the reason."""
    found, guesses = prepared(size=InputSize(48, 32), preset=Preset.UNIT, crop_fraction=1.0, interpolation="bilinear")
    assert found.target.shape == (32, 48, 3)
    assert list(found.scaling.std) == [255.0] * 3
    assert (found.preprocessing.crop_fraction, found.preprocessing.interpolation) == (1.0, "bilinear")
    assert guesses[0].reason == "--size"


def test_numbers_for_bgr_are_given_in_the_order_of_the_network() -> None:
    """The bundle's pixels are RGB, so the numbers are turned with the channels."""
    found, _ = prepared(mean=(10.0, 20.0, 30.0), std=(1.0, 2.0, 3.0), colour=ChannelOrder.BGR)
    assert (found.reverse, list(found.scaling.mean), list(found.scaling.std)) == (True, [30, 20, 10], [3, 2, 1])


def test_a_grey_network_takes_the_mean_of_the_numbers() -> None:
    """One channel."""
    found, _ = prepared(channels=1)
    assert found.target.shape == (64, 48, 1)
    assert list(found.scaling.mean) == pytest.approx([102])


@pytest.mark.parametrize("size", [(420, 100), (37, 101), (64, 48), (5, 300)])
def test_a_border_of_timm_gives_the_same_pixels(size: tuple[int, int]) -> None:
    """Proportions, place and colour of timm's own transform, within one grey level."""
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    border: dict[str, Any] = {"crop_mode": "border", "crop_pct": 1.0, "interpolation": "bicubic"}
    mean, std = (0.5, 0.4, 0.3), (0.5, 0.5, 0.5)
    transform = create_transform((3, 64, 48), mean=mean, std=std, normalize=False, **border)
    expected = np.asarray(transform(Image.fromarray(noise))).transpose(1, 2, 0)
    found, _ = prepared(KnownSettings(Path("net"), VALUES | border, "settings of net"))
    pixels = preprocess(Image.fromarray(noise), found.target, found.preprocessing)
    np.testing.assert_allclose(pixels, expected, rtol=0, atol=1)  # a resize with vector instructions rounds otherwise


OF_TIMM: dict[str, Any] = {"mean": None, "std": None, "crop_pct": None, "interpolation": "", "lr": 0.1}


def with_settings(given: dict[str, Any], **options: Any) -> KnownSettings:
    return with_settings_of_training(PUBLISHED, given, Path("a.pth"), ImportOptions(**options))


def test_settings_of_the_training_go_before_the_published_ones() -> None:
    """What timm's script leaves without a value is the library's."""
    known = with_settings(OF_TIMM | {"crop_pct": 0.5})
    assert known.source == "crop_pct of the training in a.pth, the rest by settings of net"
    assert prepared(known)[0].preprocessing.crop_fraction == 0.5
    assert with_settings(OF_TIMM).source == "settings of net, which a.pth was trained with"


def test_what_a_file_does_not_say_is_assumed() -> None:
    """Also where it has settings of another script, such as a learning rate alone."""
    unsaid = "assumed: settings of net, since a.pth does not say how pictures were prepared"
    assert with_settings({}).source == with_settings({"lr": 0.1}).source == unsaid
    assert with_settings({"input_size": [3, 32, 32]}).source == (
        "assumed: input_size of the training in a.pth, the rest by settings of net, since a.pth does not say more of "
        "how pictures were prepared"
    )
    assert with_settings_of_training(PUBLISHED, {}, None, ImportOptions()) is PUBLISHED


def test_options_replace_settings_that_cannot_be_meant() -> None:
    """So a file of another script comes in with the options that the refusal names."""
    given = {"input_size": "large", "mean": "imagenet", "crop_pct": "all", "crop_mode": "border"}
    options: dict[str, Any] = {"size": InputSize(32, 32), "preset": Preset.UNIT, "crop_fraction": 1.0, "resize": "crop"}
    found, _ = prepared(with_settings(given, **options), **options)
    assert (found.target.shape, found.preprocessing.crop_fraction) == ((32, 32, 3), 1.0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"input_size": (3, -1, 2)}, "input_size is .*, not three numbers.*give what is right with --size"),
        ({"mean": (0.5, "x", 0.5)}, "mean is .*, not one number"),
        ({"std": (0.0, 0.0, 0.0)}, "std is .*, not greater than 0"),
        ({"crop_pct": -1}, "crop_pct is -1, not a number above 0"),
        ({"crop_mode": "border"}, "are cut by 'border' at 0.9.*choose --resize"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(values: dict[str, Any], message: str) -> None:
    """With the value that is in the file."""
    with pytest.raises(TrainingError, match=message):
        prepared(with_settings(values))
