"""Reading of ONNX files."""

from pathlib import Path

import onnx
import pytest

from tests.support.onnx_files import CUSTOM_OPERATOR, LABELS, NCHW_LOGITS, SIDE, ULTRALYTICS, write_onnx
from training.errors import OnnxImportError
from training.importing.onnx_file import one_line, read_onnx


def test_a_file_is_read_with_the_weights_beside_it(tmp_path: Path) -> None:
    """Weights in another file come into the graph."""
    file = read_onnx(write_onnx(tmp_path / "model.onnx", NCHW_LOGITS, external=True))
    assert file.opset == 17
    assert all(tensor.raw_data for tensor in file.model.graph.initializer)


def test_metadata_of_ultralytics_name_classes_and_size(tmp_path: Path) -> None:
    """They are texts of Python literals, which are never run."""
    file = read_onnx(write_onnx(tmp_path / "model.onnx", ULTRALYTICS))
    assert (file.names, file.size, file.from_ultralytics) == (LABELS, SIDE, True)
    other = read_onnx(write_onnx(tmp_path / "other.onnx", ULTRALYTICS.replace("{0: 'red'", "{1 + open('x'): 'red'")))
    assert other.names == ()


def test_a_file_without_metadata_names_nothing(tmp_path: Path) -> None:
    """Neither names nor a size are made up."""
    file = read_onnx(write_onnx(tmp_path / "model.onnx", NCHW_LOGITS))
    assert (file.names, file.size, file.from_ultralytics) == ((), None, False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (CUSTOM_OPERATOR, "operators of the domain 'my.company'"),
        (NCHW_LOGITS.replace('"": 17', '"": 6'), "has opset 6: export it with opset 7 or later"),
        (ULTRALYTICS.replace("classify", "detect"), "its metadata say task 'detect'"),
    ],
    ids=["custom operator", "opset", "task"],
)
def test_a_graph_that_no_bundle_can_hold_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """The message says what was seen and what to do."""
    with pytest.raises(OnnxImportError, match=message):
        read_onnx(write_onnx(tmp_path / "model.onnx", text))


@pytest.mark.parametrize("content", [b"", b"no graph at all", b"\x00" * 100])
def test_a_file_that_is_no_onnx_file_is_refused(tmp_path: Path, content: bytes) -> None:
    """Whatever its suffix is."""
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(OnnxImportError, match="model.onnx"):
        read_onnx(tmp_path / "model.onnx")


def test_missing_files_are_refused(tmp_path: Path) -> None:
    """The graph, or the file with its weights."""
    with pytest.raises(OnnxImportError, match="is no file"):
        read_onnx(tmp_path / "model.onnx")
    path = write_onnx(tmp_path / "model.onnx", NCHW_LOGITS, external=True)
    (tmp_path / "model.onnx.data").unlink()
    with pytest.raises(OnnxImportError, match="a file with its weights is not beside it"):
        read_onnx(path)


def test_the_text_of_an_exception_becomes_one_line() -> None:
    """At most 300 characters; the name where there is no text."""
    assert one_line(ValueError("a\n  b")) == "a b"
    assert one_line(ValueError()) == "ValueError"
    assert len(one_line(ValueError("x" * 999))) == 300


@pytest.mark.parametrize(
    "imgsz", ["[[16], [16]]", "{'side': 16}", "[16, 32]", "[True, True]", "[]", "9" * 5000, "(" * 9000]
)
def test_a_size_that_is_none_is_left_out(tmp_path: Path, imgsz: str) -> None:
    """Metadata hold any text."""
    path = write_onnx(tmp_path / "model.onnx", ULTRALYTICS)
    model = onnx.load(path)
    next(each for each in model.metadata_props if each.key == "imgsz").value = imgsz
    onnx.save(model, path)
    assert read_onnx(path).size is None
