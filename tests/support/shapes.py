"""Shapes of a service as parameters of tests: each in `make test-slow`, one of them in `make test`."""

from collections.abc import Iterable
from typing import Any

import pytest

SHAPES = {
    "one process": ("--frontends", "1"),
    "two frontends": ("--frontends", "2"),
    "frontends and an engine process": ("--frontends", "2", "--engines", "1"),
}
"""The options of `snellen serve` for each number and kind of processes."""


def slow_but(fast: Any, shapes: Iterable[Any]) -> list[Any]:
    """Return the shapes as parameters of which all but `fast` are slow. Starting a service takes seconds."""
    return [shape if shape == fast else pytest.param(shape, marks=pytest.mark.slow) for shape in shapes]
