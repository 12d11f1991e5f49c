"""The chapter on mistakes."""

from dataclasses import replace

import numpy as np

from training.evaluation.evaluate import Evaluation
from training.report.inputs import UNLABELLED, ReportInputs
from training.report.mistakes import mistakes
from training.report.section import Gallery


def answering(inputs: ReportInputs, rows: list[list[float]], labels: list[int]) -> ReportInputs:
    assert inputs.labelled is not None
    probabilities = np.array(rows, np.float32)
    evaluation = Evaluation(probabilities, probabilities, np.array(labels, np.int64))
    images = inputs.labelled.images.take(np.arange(len(labels)))
    return replace(inputs, labelled=replace(inputs.labelled, images=images, evaluation=evaluation))


def test_a_mistake_says_what_was_predicted_and_what_is_true(inputs: ReportInputs) -> None:
    """With both probabilities; the largest loss is first, right answers are left out."""
    rows = [[0.75, 0.25, 0, 0], [0.9996, 0.0004, 0, 0], [0.1, 0.9, 0, 0]]
    (gallery,) = mistakes(answering(inputs, rows, [1, 1, 1])).parts
    assert isinstance(gallery, Gallery)
    assert [(figure.caption, figure.detail) for figure in gallery.figures] == [
        ("top 100.0%", "is bottom, below 0.1%; loss 7.8"),
        ("top 75.0%", "is bottom, 25.0%; loss 1.4"),
    ]


def test_a_mistake_names_its_file(inputs: ReportInputs) -> None:
    """Where the images are files of their own."""
    answered = answering(inputs, [[0.75, 0.25, 0, 0], [0, 1, 0, 0]], [1, 1])
    assert answered.labelled is not None
    images = replace(answered.labelled.images, names=("photos/a.png", "photos/b.png"))
    (gallery,) = mistakes(replace(answered, labelled=replace(answered.labelled, images=images))).parts
    assert isinstance(gallery, Gallery)
    assert [figure.detail for figure in gallery.figures] == ["is bottom, 25.0%; loss 1.4; photos/a.png"]


def test_without_mistakes_or_labels_one_sentence_says_so(inputs: ReportInputs) -> None:
    """The number of images shows how much that means."""
    assert mistakes(answering(inputs, [[1, 0, 0, 0]], [0])).missing == "There is no mistake among 1 images."
    assert mistakes(replace(inputs, labelled=None)).missing == UNLABELLED
