"""The chapter on reliability."""

from dataclasses import replace

import numpy as np

from training.evaluation.evaluate import Evaluation
from training.report.inputs import UNLABELLED, ReportInputs
from training.report.reliability import reliability
from training.report.section import Gallery, Table


def test_the_numbers_are_those_of_the_labelled_images(inputs: ReportInputs) -> None:
    """Four images of 70 % confidence, of which three are right: an error of five points."""
    assert inputs.labelled is not None
    rows = np.tile(np.array([0.7, 0.1, 0.1, 0.1], np.float32), (4, 1))
    evaluation = Evaluation(rows, rows, np.array([0, 0, 0, 1]))
    gallery, table = reliability(replace(inputs, labelled=replace(inputs.labelled, evaluation=evaluation))).parts
    assert isinstance(gallery, Gallery)
    assert isinstance(table, Table)
    assert gallery.figures[0].caption == "Expected calibration error 5.00%"
    assert gallery.figures[0].detail == "measured on 24 striped images"
    assert [list(row.cells)[1:] for row in table.rows] == [["4", "70.0%", "75.0%"]]


def test_without_labels_and_a_measured_calibration_there_is_nothing(inputs: ReportInputs) -> None:
    """The sentence says what to name."""
    assert reliability(replace(inputs, labelled=None)).missing == UNLABELLED
