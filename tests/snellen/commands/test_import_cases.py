"""Files that people had: ONNX exports and label files, as they were. Each stands for a kind."""

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from models.contract import PROBABILITIES, read_bundle
from tests.snellen.command import in_process

CASES = Path(__file__).parents[2] / "cases"
ONNX = sorted(path.name for path in (CASES / "onnx").iterdir())


@pytest.mark.parametrize("name", ONNX)
def test_an_export_is_imported(name: str, tmp_path: Path) -> None:
    """With its labels, for any number of images, and proven equal to the file."""
    folder = CASES / "onnx" / name
    labels = ("--labels", folder / "labels.txt") if (folder / "labels.txt").exists() else ()
    model = name.replace("_", "-")
    done = in_process("import", folder / "model.onnx", "--name", model, *labels, "--models", tmp_path)
    assert done.returncode == 0, done.stderr
    bundle = read_bundle(tmp_path / model / "1")
    assert (bundle.manifest.labels, bundle.manifest.max_batch) == (("red", "green", "blue"), None)
    shape = bundle.manifest.input.shape
    images = np.stack([np.full(shape, (255, 0, 0), np.uint8), np.full(shape, (0, 0, 255), np.uint8)])
    session = ort.InferenceSession(bundle.path / "model.onnx")
    assert session.run([PROBABILITIES], {"image": images})[0].argmax(axis=1).tolist() == [0, 2]


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("l.json", ("red", "green", "blue")),
        ("l_bom.txt", ("red", "green", "blue")),
        ("l_dup.txt", ("crane", "heron", "crane")),
    ],
)
def test_a_label_file_is_read(name: str, labels: tuple[str, ...], tmp_path: Path) -> None:
    """Whatever its format and encoding; two classes may share a label."""
    model = CASES / "onnx/nchw_logits/model.onnx"
    done = in_process("import", model, "--name", "a", "--labels", CASES / "labels" / name, "--models", tmp_path)
    assert done.returncode == 0, done.stderr
    assert read_bundle(tmp_path / "a" / "1").manifest.labels == labels


def test_a_label_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    """With what to change, and nothing is written."""
    model, labels = CASES / "onnx/nchw_logits/model.onnx", CASES / "labels/l_latin1.txt"
    done = in_process("import", model, "--name", "a", "--labels", labels, "--models", tmp_path)
    assert (done.returncode, "is not UTF-8" in done.stderr) == (2, True)
    assert list(tmp_path.iterdir()) == []
