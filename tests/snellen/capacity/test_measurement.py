"""Costs that several processes measure at the same time."""

from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from threading import BrokenBarrierError

import pytest

from service.errors import UnsupportedFormat
from service.settings import Settings
from snellen.capacity import measurement
from snellen.capacity.measurement import MeasuredCosts, measure


def test_an_image_that_cannot_be_decoded_is_the_error(bundle: Path) -> None:
    """Whichever process meets it first."""
    with pytest.raises(UnsupportedFormat):
        measure(bundle, Settings(models=bundle.parent.parent, frontends=2), [b"no image"], 0.05)


def test_the_cause_is_raised_whatever_process_it_is_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others only say that they waited for it in vain."""

    class Pool:
        """Runs nothing: its first process waited for the second one, which failed."""

        def __init__(self, *_: object) -> None:
            self._errors: Sequence[Exception] = (BrokenBarrierError(), UnsupportedFormat("no image"))
            self._given = 0

        def __enter__(self) -> "Pool":
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def submit(self, *_: object) -> "Future[MeasuredCosts]":
            future: Future[MeasuredCosts] = Future()
            future.set_exception(self._errors[self._given])
            self._given += 1
            return future

    monkeypatch.setattr(measurement, "ProcessPoolExecutor", Pool)
    with pytest.raises(UnsupportedFormat, match="no image"):
        measure(Path("models"), Settings(frontends=2), [b""], 0.05)
