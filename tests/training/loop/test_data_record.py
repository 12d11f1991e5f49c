"""What a run remembers of its data."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.training.loop.conftest import dataset
from training.errors import CheckpointError, RefusedRunError
from training.loop.data_record import DATA, read_record, record_of, resumed_record, write_record

RUN = Path("runs/birds/1")


def test_the_same_images_have_the_same_record(tmp_path: Path) -> None:
    """Also when they are read from disk; then a run may go on."""
    record = record_of(dataset())
    write_record(record, tmp_path)
    assert read_record(tmp_path) == record == record_of(dataset())
    assert resumed_record(record, record_of(dataset()), RUN, changed_data=False) == record
    assert {name: part.images for name, part in record.parts.items()} == {
        "training": 24,
        "validation": 8,
        "calibration": 8,
    }


@pytest.mark.parametrize("changed_data", [False, True])
def test_other_labels_are_refused(changed_data: bool) -> None:
    """A class that is renamed so that it comes first moves all others; nothing allows that."""
    now = record_of(dataset(labels=("a tit", "owl", "hen", "jay")))
    with pytest.raises(RefusedRunError, match="class 0 was 'owl' and is 'a tit'"):
        resumed_record(record_of(dataset()), now, RUN, changed_data=changed_data)
    fewer = now.model_copy(update={"labels": ("owl", "hen")})
    with pytest.raises(RefusedRunError, match=r"4 then \(owl, hen, tit, jay\) and 2 now"):
        resumed_record(record_of(dataset()), fewer, RUN, changed_data=changed_data)


def test_other_images_are_refused_unless_they_are_allowed() -> None:
    """The parts are named with their sizes, and the run remembers that they changed."""
    before = dataset()
    order = np.r_[1, 0, 2:8]
    now = record_of(replace(dataset(train=20), validation=before.validation.take(order)))
    with pytest.raises(RefusedRunError, match=r"training: 24 images then, 20 now; validation: 8 images as before, but"):
        resumed_record(record_of(before), now, RUN, changed_data=False)
    allowed = resumed_record(record_of(before), now, RUN, changed_data=True)
    assert allowed.changed
    assert resumed_record(allowed, now, RUN, changed_data=False).changed


def test_a_label_counts_as_well_as_pixels() -> None:
    """A picture that moved to another class is another image."""
    before = dataset()
    labels = before.train.labels.copy()
    labels[0] += 1
    now = record_of(replace(before, train=replace(before.train, labels=labels)))
    assert now.parts["training"] != record_of(before).parts["training"]


def test_a_missing_record_is_none_and_a_damaged_one_is_said(tmp_path: Path) -> None:
    """Runs of earlier versions have none."""
    assert read_record(tmp_path) is None
    (tmp_path / DATA).write_text("{")
    with pytest.raises(CheckpointError, match="damaged"):
        read_record(tmp_path)
