"""The confusion matrix, and precision and recall of each class."""

from collections.abc import Sequence

import numpy as np

from training.report.inputs import UNLABELLED, ReportInputs
from training.report.scores import ConfusedPair, class_scores, confused_pairs
from training.report.section import Content, Matrix, MatrixCell, Part, Row, Table

_MATRIX_CLASSES = 50
_PAIRS = 12
_SCORES = 50


def confusion(inputs: ReportInputs) -> Content:
    """Return the chapter on confusion."""
    if inputs.labelled is None:
        return Content(missing=UNLABELLED)
    counts = inputs.labelled.evaluation.confusion()
    parts: list[Part] = []
    if len(counts) <= _MATRIX_CLASSES:
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        pairs = zip(counts.tolist(), shares.tolist(), strict=True)
        parts.append(Matrix(inputs.labels, [[MatrixCell(*cell) for cell in zip(*row, strict=True)] for row in pairs]))
    if found := confused_pairs(counts, _PAIRS):
        parts.append(_pairs(found, counts.sum(axis=1).tolist(), inputs.labels))
    return Content(parts)


def _pairs(found: Sequence[ConfusedPair], images: Sequence[int], labels: Sequence[str]) -> Table:
    shares = [pair.images / images[pair.true] for pair in found]
    rows = [
        Row(
            (labels[pair.true], labels[pair.predicted], str(pair.images), f"{share:.1%}"),
            (None, None, share / max(shares)),
        )
        for pair, share in zip(found, shares, strict=True)
    ]
    return Table("Most frequent confusions", ("True class", "Taken for", "Images", "Share of the class"), rows, texts=2)


def per_class(inputs: ReportInputs) -> Content:
    """Return the chapter on precision and recall."""
    if inputs.labelled is None:
        return Content(missing=UNLABELLED)
    scores = class_scores(inputs.labelled.evaluation.confusion())
    rows = [
        Row(
            (inputs.labels[s.class_id], _share(s.precision), _share(s.recall), f"{s.f1:.3f}", f"{s.images:,}"),
            (s.precision, s.recall, s.f1, None),
        )
        for s in scores[:_SCORES]
    ]
    few = f", the {_SCORES} weakest of {len(scores)}" if len(scores) > _SCORES else ""
    return Content([Table(f"Lowest F1 first{few}", ("Class", "Precision", "Recall", "F1", "Images"), rows)])


def _share(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"
