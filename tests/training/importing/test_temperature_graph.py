"""Another temperature inside the graph of a bundle."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray

from models.contract import CLASS_MAP, INPUT, LOGITS, PROBABILITIES
from tests.support.onnx_files import NCHW_LOGITS, NHWC_SOFTMAX, OPSET_7, OPSET_11, write_labels, write_onnx
from tests.training.conftest import Exported, striped
from training.evaluation.metrics import softmax
from training.importing.guesses import Guess
from training.importing.import_onnx import OnnxOptions, import_onnx
from training.importing.normalization import Preset
from training.importing.temperature_graph import set_temperature


def run(path: Path, pixels: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {INPUT: pixels}), strict=True))


def changed(path: Path, *temperatures: float) -> Path:
    model = onnx.load(path)
    for temperature in temperatures:
        set_temperature(model, temperature)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path.with_name("changed.onnx"))
    return path.with_name("changed.onnx")


@pytest.mark.parametrize("text", [NCHW_LOGITS, NHWC_SOFTMAX, OPSET_11, OPSET_7], ids=["17", "13", "11", "7"])
def test_probabilities_are_the_softmax_of_scaled_logits(tmp_path: Path, text: str) -> None:
    """For files of any opset, with weights among the inputs too; the logits stay."""
    options = OnnxOptions(labels=write_labels(tmp_path), preset=Preset.UNIT)
    file = write_onnx(tmp_path / "model.onnx", text)
    folder = import_onnx(file, tmp_path / "models", "flowers", 1, options, list[Guess]().append).folder
    pixels = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), np.uint8)
    before, after = run(folder / "model.onnx", pixels), run(changed(folder / "model.onnx", 2.5), pixels)
    np.testing.assert_array_equal(after[LOGITS], before[LOGITS])
    np.testing.assert_allclose(after[PROBABILITIES], softmax(before[LOGITS], 2.5), atol=1e-6)


def test_an_earlier_temperature_is_replaced(exported: Exported, tmp_path: Path) -> None:
    """Of a trained network, which has one, and of a calibrated one; the class map stays, and nothing is left over."""
    path = tmp_path / "model.onnx"
    path.write_bytes(exported.path.read_bytes())
    pixels = striped(6, seed=1)[0][..., None]
    before, after = run(path, pixels), run(changed(path, 3.0, 0.5), pixels)
    assert list(after) == list(before) == [PROBABILITIES, LOGITS, CLASS_MAP]
    np.testing.assert_allclose(before[PROBABILITIES], softmax(before[LOGITS], 1.5), atol=1e-6)
    np.testing.assert_allclose(after[PROBABILITIES], softmax(before[LOGITS], 0.5), atol=1e-6)
    np.testing.assert_array_equal(after[CLASS_MAP], before[CLASS_MAP])
    graph, old = onnx.load(tmp_path / "changed.onnx").graph, onnx.load(path).graph
    assert len(graph.node) == len(old.node)
    assert len({tensor.name for tensor in graph.initializer}) == len(graph.initializer) == len(old.initializer)
