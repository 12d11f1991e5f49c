"""The chapter on the training."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.training.report.test_report import history
from training.errors import ReportError
from training.loop.history import HISTORY
from training.report.inputs import ReportInputs
from training.report.section import Gallery
from training.report.training_curves import curves, read_history, training_curves


def test_epochs_are_read_in_their_order(tmp_path: Path) -> None:
    """Blank lines do not count."""
    run = history(tmp_path / "run")
    with (run / HISTORY).open("a") as stream:
        stream.write("\n")
    assert [epoch.epoch for epoch in read_history(run)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("content", "message"), [(None, "not a readable history"), ("{}\n", "not a readable history"), ("\n", "no epochs")]
)
def test_a_folder_without_a_history_is_refused(content: str | None, message: str, tmp_path: Path) -> None:
    """Missing, another file, and a run before its first epoch."""
    if content is not None:
        (tmp_path / HISTORY).write_text(content)
    with pytest.raises(ReportError, match=message):
        read_history(tmp_path)


def test_four_charts_say_where_the_best_epoch_is(tmp_path: Path) -> None:
    """Of equal accuracies the lowest loss wins."""
    figures = curves(read_history(history(tmp_path / "run")))
    assert len(figures) == 4
    assert all("the best epoch is 3" in figure.image for figure in figures)
    assert "Loss (nats) over 3 epochs, at first 1, at last 0.3333" in figures[0].image


def test_the_chapter_needs_a_run(inputs: ReportInputs, tmp_path: Path) -> None:
    """Without one it says how to name it."""
    assert "name it with --run" in training_curves(inputs).missing
    (gallery,) = training_curves(replace(inputs, run=history(tmp_path / "run"))).parts
    assert isinstance(gallery, Gallery)
