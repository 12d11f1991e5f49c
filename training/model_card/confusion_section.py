"""The section of the model card on confusion: the whole matrix, or the most frequent pairs of many classes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from training.model_card.markdown import table

Confusion = NDArray[np.int64]
"""Counts [K, K]: rows are the true classes, columns the predicted ones."""
_MATRIX_CLASSES, _PAIRS = 50, 50
"""Classes up to which the card has the whole matrix, and pairs that it has of more: a matrix of 5,000 classes would
take 100 MB.
"""
_HEADING = "## Confusion"


def confusion_section(labels: Sequence[str], confusion: Confusion) -> str:
    """Return the section as Markdown."""
    if len(labels) <= _MATRIX_CLASSES:
        return "\n\n".join(
            (
                _HEADING,
                "Rows are the true classes, columns the predicted ones, in the same order.",
                _matrix(labels, confusion),
            )
        )
    return "\n\n".join((_HEADING, f"The most frequent pairs of {len(labels):,} classes.", _pairs(labels, confusion)))


def read_section(card: str) -> str | None:
    """Return the section of a card as it is, or None without one."""
    _, heading, rest = card.partition(f"\n{_HEADING}\n")
    return f"{_HEADING}\n{rest.partition(chr(10) + '## ')[0]}".rstrip() if heading else None


def _matrix(labels: Sequence[str], confusion: Confusion) -> str:
    rows = (
        (f"{index} {label}", *(str(count) for count in row), f"{row[index] / max(int(row.sum()), 1):.3f}")
        for index, (label, row) in enumerate(zip(labels, confusion, strict=True))
    )
    return table(("true class", *(str(index) for index in range(len(labels))), "recall"), rows)


def _pairs(labels: Sequence[str], confusion: Confusion) -> str:
    wrong = confusion.copy()
    np.fill_diagonal(wrong, 0)
    cells = np.argsort(-wrong, axis=None, kind="stable")[:_PAIRS]
    found = [(*np.unravel_index(cell, wrong.shape), int(wrong.flat[cell])) for cell in cells if wrong.flat[cell]]
    rows = ((f"{true} {labels[true]}", f"{taken} {labels[taken]}", str(images)) for true, taken, images in found)
    return table(("true class", "taken for", "images"), rows)
