"""The output with the scores, judged by its values."""

from pathlib import Path

import numpy as np
import pytest

from models.contract import Task
from training.errors import OnnxImportError
from training.importing.guesses import Guess
from training.importing.network_output import Floats, NetworkOutput, ScoreKind, check_varies, find_output

RANDOM = np.random.default_rng(0)
LOGITS = [RANDOM.normal(0, 3, (1, 3)).astype(np.float32) for _ in range(16)]
PROBABILITIES = [(np.exp(row) / np.exp(row).sum()).astype(np.float32) for row in LOGITS]
SIGMOIDS = [(1 / (1 + np.exp(-row))).astype(np.float32) for row in LOGITS]


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


def test_a_file_without_an_output_of_numbers_is_refused() -> None:
    """Its outputs are named with their types, or it has none."""
    for others, seen in (((), "none"), (("best tensor(int64)",), r"best tensor\(int64\)")):
        with pytest.raises(OnnxImportError, match=f"its outputs are {seen}, and one of shape"):
            found({}, others=others)


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
    with pytest.raises(OnnxImportError, match="the same for all pictures, as a softmax of one score is"):
        found({"output": [np.ones((1, 1), np.float32)] * 16})


def test_sigmoids_are_a_task_of_their_own() -> None:
    """Values between 0 and 1 that do not sum to 1; with --scores logits they are softmax's again."""
    made = found({"output": SIGMOIDS})
    assert (made.kind, made.task, made.logits) == (ScoreKind.PROBABILITIES, Task.MULTILABEL, None)
    assert found({"output": SIGMOIDS}, task=Task.MULTILABEL).task is Task.MULTILABEL
    as_logits = found({"output": SIGMOIDS}, kind=ScoreKind.LOGITS)
    assert (as_logits.kind, as_logits.task) == (ScoreKind.LOGITS, Task.SINGLE)
    with pytest.raises(OnnxImportError, match=r"lie between .* and sum to .* as those of sigmoids do"):
        found({"output": SIGMOIDS}, task=Task.SINGLE)
    with pytest.raises(OnnxImportError, match=r"sum to 1 on 16 pictures, as those of a softmax do.* config.json says"):
        found({"output": PROBABILITIES}, task=Task.MULTILABEL, task_source="config.json")


def test_logits_of_several_labels_are_told_by_the_user() -> None:
    """Their values look like others; their probabilities are sigmoids."""
    made = found({"output": LOGITS}, task=Task.MULTILABEL)
    assert (made.kind, made.task) == (ScoreKind.LOGITS, Task.MULTILABEL)
    assert made.probabilities == pytest.approx(np.concatenate(SIGMOIDS), abs=1e-6)


def test_one_score_is_that_of_the_second_of_two_classes() -> None:
    """A probability, or a logit if the user says so."""
    single = [row[:, :1] for row in SIGMOIDS]
    made = found({"output": single})
    assert (made.kind, made.task, made.classes, made.binary) == (ScoreKind.PROBABILITIES, Task.SINGLE, 2, True)
    assert made.probabilities.sum(axis=1) == pytest.approx(1)
    assert made.probabilities[:, 1] == pytest.approx(np.concatenate(single)[:, 0])
    logits = found({"output": [row[:, :1] for row in LOGITS]}, kind=ScoreKind.LOGITS)
    assert logits.probabilities == pytest.approx(made.probabilities, abs=1e-6)
    assert logits.logits is not None
    assert logits.logits[:, 0] == pytest.approx(0)
    with pytest.raises(OnnxImportError, match="say --scores logits if a sigmoid makes one of them"):
        found({"output": [row[:, :1] for row in LOGITS]})
    with pytest.raises(OnnxImportError, match="has one score, that of the second of two classes"):
        found({"output": single}, task=Task.MULTILABEL)


def test_one_score_counts_after_several() -> None:
    """Unless there are two labels."""
    outputs = {"scores": LOGITS, "certainty": [row[:, :1] for row in SIGMOIDS]}
    assert found(outputs).name == "scores"
    assert found(outputs, classes=2).name == "certainty"


def test_scores_that_are_no_answer_are_refused() -> None:
    """Numbers that are no probabilities, and NaN."""
    with pytest.raises(OnnxImportError, match="holds no probabilities"):
        found({"output": LOGITS}, kind=ScoreKind.PROBABILITIES)
    with pytest.raises(OnnxImportError, match="NaN or infinity"):
        found({"output": [row * np.nan for row in LOGITS]})


def test_an_output_that_never_changes_is_refused() -> None:
    """Nothing could be told about it, not even that it is equal to the file's."""
    check_varies(found({"output": LOGITS}))
    with pytest.raises(OnnxImportError, match="the same for all 16 pictures, so nothing can be told about it"):
        check_varies(found({"output": [LOGITS[0]] * 16}))


def test_percentages_are_refused() -> None:
    """Taken for logits, their softmax would be 1 for the first class."""
    percentages = {"output": [100 * row for row in PROBABILITIES]}
    with pytest.raises(OnnxImportError, match="as percentages do: export probabilities of 0 to 1"):
        found(percentages)
    assert found(percentages, kind=ScoreKind.LOGITS).kind is ScoreKind.LOGITS
