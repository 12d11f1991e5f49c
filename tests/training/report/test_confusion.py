"""The chapters on confusion and on each class."""

from dataclasses import replace

import numpy as np

from tests.training.conftest import LABELS
from training.evaluation.evaluate import Evaluation
from training.report.confusion import confusion, per_class
from training.report.inputs import UNLABELLED, ReportInputs
from training.report.section import Matrix, Table


def predicting(inputs: ReportInputs, predicted: list[int], true: list[int]) -> ReportInputs:
    assert inputs.labelled is not None
    rows = np.eye(4, dtype=np.float32)[predicted]
    evaluation = Evaluation(rows, rows, np.array(true, np.int64))
    return replace(inputs, labelled=replace(inputs.labelled, evaluation=evaluation))


def test_the_matrix_counts_and_the_table_names_the_pairs(inputs: ReportInputs) -> None:
    """Of three images of the first class, one was taken for the second."""
    content = confusion(predicting(inputs, [0, 0, 1, 1], [0, 0, 0, 1]))
    matrix, pairs = content.parts
    assert isinstance(matrix, Matrix)
    assert isinstance(pairs, Table)
    assert [cell.images for cell in matrix.rows[0]] == [2, 1, 0, 0]
    assert matrix.rows[0][1].share == 1 / 3
    assert [list(row.cells) for row in pairs.rows] == [[LABELS[0], LABELS[1], "1", "33.3%"]]


def test_without_a_mistake_there_is_no_table_of_pairs(inputs: ReportInputs) -> None:
    """The matrix is there."""
    assert len(confusion(predicting(inputs, [0, 1], [0, 1])).parts) == 1


def test_the_weakest_class_is_first_and_what_is_undefined_says_none(inputs: ReportInputs) -> None:
    """A class that was never predicted has no precision."""
    (table,) = per_class(predicting(inputs, [0, 0], [0, 1])).parts
    assert isinstance(table, Table)
    cells = {row.cells[0]: list(row.cells[1:]) for row in table.rows}
    assert cells[LABELS[1]] == ["none", "0.000", "0.000", "1"]
    assert cells[LABELS[0]] == ["0.500", "1.000", "0.667", "1"]


def test_without_labelled_images_both_say_what_to_name(inputs: ReportInputs) -> None:
    """One sentence instead of an empty chapter."""
    unlabelled = replace(inputs, labelled=None)
    assert confusion(unlabelled).missing == per_class(unlabelled).missing == UNLABELLED
