"""The output with the scores, judged by its values."""

from pathlib import Path

import numpy as np
import pytest

from training.errors import OnnxImportError
from training.importing.guesses import Guess
from training.importing.network_output import Floats, NetworkOutput, ScoreKind, find_output, probabilities

RANDOM = np.random.default_rng(0)
LOGITS = [RANDOM.normal(0, 3, (1, 3)).astype(np.float32) for _ in range(16)]
PROBABILITIES = [probabilities(row, ScoreKind.LOGITS).astype(np.float32) for row in LOGITS]


def found(outputs: dict[str, list[Floats]], **options: object) -> NetworkOutput:
    values = [{name: rows[index] for name, rows in outputs.items()} for index in range(16)]
    return find_output(values, list[Guess]().append, path=Path("model.onnx"), **options)  # type: ignore[arg-type]


def test_logits_and_probabilities_are_told_apart_by_their_values() -> None:
    """Probabilities of 16 pictures sum to 1."""
    assert found({"output": LOGITS}).kind is ScoreKind.LOGITS
    made = found({"output": PROBABILITIES})
    assert (made.kind, made.classes, made.axes) == (ScoreKind.PROBABILITIES, 3, 2)
    assert found({"output": PROBABILITIES}, kind=ScoreKind.LOGITS).kind is ScoreKind.LOGITS
    assert found({"output": LOGITS}).probabilities == pytest.approx(made.probabilities, abs=1e-6)


def test_axes_of_size_1_do_not_count() -> None:
    """[N, K, 1, 1] holds K scores."""
    made = found({"output": [row.reshape(1, 3, 1, 1) for row in LOGITS]})
    assert (made.classes, made.axes) == (3, 4)


def test_the_output_with_a_score_for_each_label_is_taken() -> None:
    """Among several; else the user chooses one by its name."""
    outputs = {"features": [np.ones((1, 12), np.float32)] * 16, "scores": LOGITS}
    assert found(outputs, classes=3).name == "scores"
    assert found(outputs, name="scores").name == "scores"
    with pytest.raises(OnnxImportError, match=r"choose one with --output; there is: features \[1, 12\], scores"):
        found(outputs)
    with pytest.raises(OnnxImportError, match="no output 'other'"):
        found(outputs, name="other")


def test_outputs_of_a_detector_are_refused() -> None:
    """The message has their shapes."""
    with pytest.raises(OnnxImportError, match=r"model.onnx is no image classifier: .* boxes \[1, 84, 8400\]"):
        found({"boxes": [np.ones((1, 84, 8400), np.float32)] * 16})
    with pytest.raises(OnnxImportError, match="2 classes or more"):
        found({"output": [np.ones((1, 1), np.float32)] * 16})


def test_scores_that_are_no_answer_are_refused() -> None:
    """Sigmoids, numbers that are no probabilities, and NaN."""
    sigmoids = [(1 / (1 + np.exp(-row))).astype(np.float32) for row in LOGITS]
    with pytest.raises(OnnxImportError, match="as those of sigmoids do"):
        found({"output": sigmoids})
    assert found({"output": sigmoids}, kind=ScoreKind.LOGITS).kind is ScoreKind.LOGITS
    with pytest.raises(OnnxImportError, match="holds no probabilities"):
        found({"output": LOGITS}, kind=ScoreKind.PROBABILITIES)
    with pytest.raises(OnnxImportError, match="NaN or infinity"):
        found({"output": [row * np.nan for row in LOGITS]})
