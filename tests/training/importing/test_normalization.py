"""Presets, options, and what the graph tells about the numbers that it takes."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.onnx_files import NCHW_LOGITS, SIDE, ULTRALYTICS, write_onnx
from training.errors import OnnxImportError
from training.importing.guesses import Guess
from training.importing.network_input import Layout, NetworkInput
from training.importing.normalization import (
    ChannelOrder,
    DescribedNormalization,
    Normalization,
    Preset,
    choose_normalization,
)
from training.importing.onnx_file import OnnxFile, read_onnx

COLOUR = NetworkInput("input", "float32", Layout.NCHW, 3, SIDE, SIDE, fixed_batch=False)
GREY = replace(COLOUR, channels=1)
SCALED_INSIDE = NCHW_LOGITS.replace("pooled = AveragePool", "x = {} (input, scale) pooled = AveragePool").replace(
    "(input) features", "(x) features"
)


@pytest.fixture
def file(tmp_path: Path) -> OnnxFile:
    """A file that does not tell what it takes."""
    return read_onnx(write_onnx(tmp_path / "model.onnx", NCHW_LOGITS))


def ignore(_: Guess) -> None:
    pass


def test_a_preset_is_in_grey_levels(file: OnnxFile) -> None:
    """In the order of the network's channels."""
    imagenet = choose_normalization(file, COLOUR, ignore, preset=Preset.IMAGENET)
    assert [each / 255 for each in imagenet.mean] == pytest.approx([0.485, 0.456, 0.406])
    caffe = choose_normalization(file, COLOUR, ignore, preset=Preset.CAFFE)
    assert (caffe.order, caffe.std) == (ChannelOrder.BGR, (1.0,))


def test_the_numbers_of_a_preset_go_with_their_colours(file: OnnxFile) -> None:
    """In another order of channels they are reversed."""
    imagenet = choose_normalization(file, COLOUR, ignore, preset=Preset.IMAGENET)
    bgr = choose_normalization(file, COLOUR, ignore, preset=Preset.IMAGENET, order=ChannelOrder.BGR)
    assert (bgr.mean, bgr.std) == (imagenet.mean[::-1], imagenet.std[::-1])


def test_numbers_of_the_user_are_shares_or_grey_levels(file: OnnxFile) -> None:
    """Where one exceeds 1, all are grey levels."""
    shares = choose_normalization(file, COLOUR, ignore, mean=(0.5,), std=(0.5,))
    assert shares == choose_normalization(file, COLOUR, ignore, mean=(127.5,), std=(127.5,))
    bgr = choose_normalization(file, COLOUR, ignore, mean=(0.0,), std=(255.0,), order=ChannelOrder.BGR)
    assert bgr == Normalization(ChannelOrder.BGR, (0.0,), (255.0,))


def test_a_grey_network_takes_the_mean_of_a_preset(file: OnnxFile) -> None:
    """And its order is grey."""
    grey = choose_normalization(file, GREY, ignore, preset=Preset.IMAGENET)
    assert grey.order is ChannelOrder.L
    assert grey.mean == pytest.approx([114.495])


@pytest.mark.parametrize(
    ("text", "scale", "std", "reason"),
    [
        (NCHW_LOGITS, None, (58.395, 57.12, 57.375), "assumed"),
        (ULTRALYTICS, None, (255.0,), "ultralytics"),
        (SCALED_INSIDE.replace("{}", "Mul"), 1 / 127.5, (1.0,), "first operator is Mul"),
        (SCALED_INSIDE.replace("{}", "Div"), 255, (1.0,), "first operator is Div"),
        (SCALED_INSIDE.replace("{}", "Sub"), 0.485, (255.0,), "a mean below 1"),
        (SCALED_INSIDE.replace("{}", "Mul"), 2, (58.395, 57.12, 57.375), "assumed"),
    ],
    ids=["nothing", "ultralytics", "factor", "divisor", "mean", "other factor"],
)
def test_what_the_file_tells_is_used(
    tmp_path: Path, text: str, scale: float | None, std: tuple[float, ...], reason: str
) -> None:
    """And the reason is reported."""
    guesses = list[Guess]()
    weights = {} if scale is None else {"scale": scale}
    file = read_onnx(write_onnx(tmp_path / "model.onnx", text, weights=weights))
    name = file.model.graph.input[0].name
    assert choose_normalization(file, replace(COLOUR, name=name), guesses.append).std == std
    assert reason in guesses[-1].reason


def test_a_file_beside_the_network_names_the_scaling(file: OnnxFile, tmp_path: Path) -> None:
    """What the graph does, and options, go before it."""
    numbers = Normalization(ChannelOrder.RGB, (1.0, 2.0, 3.0), (4.0,))
    described = DescribedNormalization(Path("config.json"), numbers)
    guesses = list[Guess]()
    assert choose_normalization(file, COLOUR, guesses.append, described=described) == numbers
    assert guesses[-1].reason == "config.json"
    bgr = choose_normalization(file, COLOUR, ignore, described=described, order=ChannelOrder.BGR)
    assert bgr.mean == (3.0, 2.0, 1.0)
    assert choose_normalization(file, COLOUR, ignore, described=described, preset=Preset.RAW).std == (1.0,)
    scaled = write_onnx(tmp_path / "scaled.onnx", SCALED_INSIDE.replace("{}", "Div"), weights={"scale": 255})
    assert choose_normalization(read_onnx(scaled), COLOUR, ignore, described=described).std == (1.0,)
    two = DescribedNormalization(Path("config.json"), Normalization(ChannelOrder.RGB, (1.0, 2.0), (4.0,)))
    with pytest.raises(OnnxImportError, match=r"the mean of config.json has 2 numbers"):
        choose_normalization(file, COLOUR, ignore, described=two)


def test_pixels_stay_as_they_are_for_uint8(file: OnnxFile) -> None:
    """Any other preset is refused."""
    pixels = replace(COLOUR, kind="uint8")
    assert choose_normalization(file, pixels, ignore).std == (1.0,)
    with pytest.raises(OnnxImportError, match="use --preset raw"):
        choose_normalization(file, pixels, ignore, preset=Preset.UNIT)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mean": (0.5,)}, "give --mean and --std, both of them, or --preset"),
        ({"mean": (0.5,), "std": (0.5,), "preset": Preset.RAW}, "give --mean and --std, both of them, or --preset"),
        ({"mean": (0.5,), "std": (0.0,)}, "greater than 0"),
        ({"mean": (float("nan"),), "std": (1.0,)}, "finite numbers"),
        ({"mean": (0.5, 0.5), "std": (1.0,)}, "the mean of --mean and --std has 2 numbers"),
        ({"order": ChannelOrder.L}, "takes 3 channels, which is not --colour L"),
    ],
)
def test_options_that_do_not_fit_are_refused(file: OnnxFile, options: dict[str, object], message: str) -> None:
    """The message says what to give."""
    with pytest.raises(OnnxImportError, match=message):
        choose_normalization(file, COLOUR, ignore, **options)  # type: ignore[arg-type]
