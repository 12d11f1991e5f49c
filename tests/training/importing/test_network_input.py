"""The input of an ONNX file: layout and size."""

from pathlib import Path

import onnx
import pytest

from tests.support.onnx_files import (
    HUGGING_FACE,
    NCHW_ANY_SIZE,
    NCHW_LOGITS,
    NHWC_SOFTMAX,
    SIDE,
    STATIC_BATCH,
    write_onnx,
)
from training.data.option_values import InputSize
from training.errors import OnnxImportError
from training.importing.guesses import Guess
from training.importing.network_input import DescribedInput, Layout, NetworkInput, find_input
from training.importing.onnx_file import read_onnx


def found(
    folder: Path,
    text: str,
    *,
    layout: Layout | None = None,
    size: InputSize | None = None,
    described: DescribedInput | None = None,
) -> NetworkInput:
    guesses = list[Guess]()
    file = read_onnx(write_onnx(folder / "model.onnx", text))
    network_input = find_input(file, guesses.append, layout=layout, size=size, described=described)
    assert [guess.what for guess in guesses] == ["input", "layout", "size"]
    return network_input


def test_layout_and_size_come_from_the_shape(tmp_path: Path) -> None:
    """Three channels stand second or last; a batch of 1 is fixed."""
    expected = NetworkInput("input", "float32", Layout.NCHW, 3, SIDE, SIDE, fixed_batch=False)
    assert found(tmp_path, NCHW_LOGITS) == expected
    assert found(tmp_path, STATIC_BATCH).fixed_batch
    keras = found(tmp_path, NHWC_SOFTMAX)
    assert (keras.layout, keras.height, keras.width) == (Layout.NHWC, SIDE, SIDE)


def test_a_grey_image_that_is_not_square_is_an_input_too(tmp_path: Path) -> None:
    """One channel, and height and width in their order."""
    grey = found(tmp_path, NCHW_LOGITS.replace(f"3, {SIDE}, {SIDE}", "1, 20, 30"))
    assert (grey.channels, grey.height, grey.width) == (1, 20, 30)


def test_a_free_size_comes_from_the_user(tmp_path: Path) -> None:
    """Without one, the message asks for it."""
    free = found(tmp_path, NCHW_ANY_SIZE, size=InputSize(32, 32))
    assert (free.width, free.free_size) == (32, True)
    wide = found(tmp_path, NCHW_ANY_SIZE, size=InputSize(48, 32))
    assert (wide.width, wide.height) == (48, 32)
    assert not found(tmp_path, NCHW_LOGITS).free_size
    assert not found(tmp_path, NCHW_ANY_SIZE.replace("height", "32"), size=InputSize(32, 32)).free_size
    with pytest.raises(OnnxImportError, match="give it in pixels with --size"):
        found(tmp_path, NCHW_ANY_SIZE)
    with pytest.raises(OnnxImportError, match="has at most 4096"):
        found(tmp_path, NCHW_ANY_SIZE, size=InputSize(5000, 5000))


def test_a_file_beside_the_network_tells_what_the_shape_does_not(tmp_path: Path) -> None:
    """Hugging Face's exports leave all axes open; an option goes before the file, and the shape before both."""
    described = DescribedInput(Path("config.json"), Layout.NCHW, (20, 30))
    made = found(tmp_path, HUGGING_FACE, described=described)
    assert (made.layout, made.channels, made.height, made.width) == (Layout.NCHW, 3, 20, 30)
    assert found(tmp_path, HUGGING_FACE, described=described, size=InputSize(SIDE, SIDE)).height == SIDE
    assert found(tmp_path, NHWC_SOFTMAX, described=described).layout is Layout.NHWC
    with pytest.raises(OnnxImportError, match="give it in pixels with --size"):
        found(tmp_path, HUGGING_FACE, described=described._replace(size=None))


def test_an_axis_that_the_shape_does_not_tell_comes_from_the_user(tmp_path: Path) -> None:
    """An image 3 pixels wide could be either."""
    text = NCHW_LOGITS.replace(f"3, {SIDE}, {SIDE}", f"3, {SIDE}, 3")
    assert found(tmp_path, text, layout=Layout.NHWC).height == 3
    with pytest.raises(OnnxImportError, match="--layout nchw or nhwc"):
        found(tmp_path, text)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ("float[batch, 3]", "four axes"),
        ("float[8, 3, 16, 16]", "exactly 8 images at a time"),
        ("int64[batch, 3, 16, 16]", "is int64: an image is float32, float16 or uint8"),
    ],
)
def test_an_input_that_is_no_image_is_refused(tmp_path: Path, shape: str, message: str) -> None:
    """The message says what was seen."""
    with pytest.raises(OnnxImportError, match=message):
        found(tmp_path, NCHW_LOGITS.replace(f"float[batch, 3, {SIDE}, {SIDE}]", shape))


def test_contradictions_are_refused(tmp_path: Path) -> None:
    """Another size, or a layout with 16 channels."""
    with pytest.raises(OnnxImportError, match="16x16 pixels, but --size is 32"):
        found(tmp_path, NCHW_LOGITS, size=InputSize(32, 32))
    with pytest.raises(OnnxImportError, match="with 16 channels in layout nhwc"):
        found(tmp_path, NCHW_LOGITS, layout=Layout.NHWC)


def test_two_inputs_are_refused(tmp_path: Path) -> None:
    """By their names."""
    text = NCHW_LOGITS.replace(" input) =>", " input, float[batch, 4] boxes) =>")
    with pytest.raises(OnnxImportError, match=r"2 inputs \(input, boxes\)"):
        found(tmp_path, text)


def test_a_negative_size_is_a_free_one(tmp_path: Path) -> None:
    """As some exporters write it."""
    path = write_onnx(tmp_path / "model.onnx", NCHW_LOGITS)
    model = onnx.load(path)
    for axis in (0, 2, 3):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = -1
    onnx.save(model, path)
    made = find_input(read_onnx(path), list[Guess]().append, size=InputSize(SIDE, SIDE))
    assert (made.height, made.fixed_batch, made.free_size) == (SIDE, False, True)
