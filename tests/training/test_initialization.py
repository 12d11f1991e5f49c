"""Where a run starts."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from models.contract import Colour, Input, Preprocessing
from tests.training.conftest import write_dataset
from training.data.dataset import Dataset, open_dataset
from training.errors import ConfigurationError, TrainingError
from training.initialization import check_network, input_of, save_network, start
from training.loop.config import TrainingConfig, configure, write_config
from training.loop.data_record import DataRecord, write_record
from training.loop.fit import fit
from training.loop.recipe import Recipe
from training.loop.training_data import TrainingData
from training.networks.exported_module import Scaling
from training.networks.small_resnet import small_resnet

RGB = Input(colour=Colour.RGB, height=224, width=224)


def dataset(folder: Path, target: Input | None) -> Dataset:
    return open_dataset(str(write_dataset(folder)), target=target, preprocessing=Preprocessing(resize="squash"))


def config(**settings: object) -> TrainingConfig:
    return configure(None, {"name": "a", "data": "b"} | settings, [])


def test_from_scratch_the_input_and_the_scaling_are_those_of_the_data(tmp_path: Path) -> None:
    """One grey channel, its mean and spread."""
    initial = start(config(), dataset(tmp_path, input_of(config())))
    assert len(initial.scaling.mean) == 1
    assert initial.network.body(torch.zeros(1, 1, 16, 16)).shape[1] == 128


def test_from_imagenet_the_body_is_known_and_the_head_is_new(tmp_path: Path) -> None:
    """Without a download; the head has the classes of the data and learns while the body is frozen."""
    chosen = config(start="imagenet")
    opened = dataset(tmp_path, input_of(chosen))
    initial = start(chosen, opened)
    assert initial.scaling.mean == pytest.approx([127] * 3)
    assert initial.scaling.std == pytest.approx([128] * 3)
    few = opened.train.take(np.arange(8))
    training_data = TrainingData(few, opened.validation.take(np.arange(4)), RGB, initial.scaling, classes=4)
    trained, score = fit(initial.network, training_data, Recipe(epochs=1, batch_size=4, freeze=1, optimizer="adamw"))
    assert trained.has_class_map
    assert np.isfinite(score.nll)


def test_published_weights_want_photographs() -> None:
    """224 pixels and three colours unless told otherwise."""
    assert input_of(config(start="imagenet")) == Input(colour=Colour.RGB, height=224, width=224)


def test_published_weights_on_grey_pixels_are_refused(tmp_path: Path) -> None:
    """The sentence says which setting to change."""
    chosen = config(start="imagenet", size=64, colour="L")
    with pytest.raises(ConfigurationError, match="set colour to RGB"):
        start(chosen, dataset(tmp_path, input_of(chosen)))


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (("0", "1", "2", "3"), "the head is that of"),
        (("3", "0", "x", "1", "2"), "the head keeps 4 classes of"),
        (("x", "1", "2", "y"), "the head keeps 2 classes of .* by their labels, 2 are new"),
        (("a", "b", "c", "d"), "the head is new"),
        (None, "the head is new"),
    ],
)
def test_a_run_starts_from_what_another_has_learnt(labels: tuple[str, ...] | None, says: str, tmp_path: Path) -> None:
    """With its scaling, and of the head with the rows of the same labels, wherever they were. Classes of a run that did
    not keep its labels could be any.
    """
    opened = dataset(tmp_path, None)
    learnt = small_resnet(4 if labels is None else len(labels))
    write_config(config(), tmp_path / "run")
    if labels is not None:
        write_record(DataRecord(labels=labels, parts={}), tmp_path / "run")
    save_network(tmp_path / "run", learnt, Scaling([1.0], [2.0]))
    initial = start(config(start=str(tmp_path / "run")), opened)
    assert initial.scaling == Scaling([1.0], [2.0])
    pairs = zip(initial.network.body.parameters(), learnt.body.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert initial.network(torch.zeros(1, 1, 16, 16)).shape == (1, 4)
    assert re.match(says, initial.note)
    head = initial.network.head
    assert isinstance(head, torch.nn.Linear)
    assert isinstance(learnt.head, torch.nn.Linear)
    former = {label: learnt.head.weight[place] for place, label in enumerate(labels or ())}
    for row, label in zip(head.weight, opened.metadata.labels, strict=True):
        assert label not in former or torch.equal(row, former[label])


def test_a_start_that_is_nowhere_is_refused(tmp_path: Path) -> None:
    """The message lists what can be given."""
    with pytest.raises(ConfigurationError, match="scratch, imagenet or the folder"):
        start(config(start=str(tmp_path / "run")), dataset(tmp_path, None))


def test_the_packaged_network_has_one_size(tmp_path: Path) -> None:
    """Its padding fits 224 pixels alone; other sizes have other networks. Refused before any image is read."""
    chosen = config(start="imagenet", size=64)
    with pytest.raises(ConfigurationError, match="224x224"):
        check_network(chosen)
    with pytest.raises(ConfigurationError, match="224x224"):
        start(chosen, dataset(tmp_path, input_of(chosen)))


def test_a_network_without_published_weights_is_refused(tmp_path: Path) -> None:
    """The error names another one."""
    chosen = config(start="imagenet", size=64, network="lenet-5")
    with pytest.raises(TrainingError, match="no published weights"):
        start(chosen, dataset(tmp_path, input_of(chosen)))
