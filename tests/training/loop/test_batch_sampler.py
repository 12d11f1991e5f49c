"""The order of an epoch."""

from itertools import chain

import numpy as np
import pytest
import torch

from tests.training.loop.conftest import labelled
from training.data.class_balance import sampling_weights
from training.data.labelled_images import LabelledImages
from training.loop.batch_sampler import BatchSampler, Epoch, plan_epoch
from training.loop.device import Device
from training.loop.recipe import Recipe

CPU = Device(torch.device("cpu"))


def batches(images: LabelledImages, device: Device = CPU, *, balance: bool = False) -> BatchSampler:
    weights = sampling_weights(images.labels) if balance else None
    return BatchSampler(images, Recipe(batch_size=8), seed=0, device=device, weights=weights)


def seen(of: BatchSampler, epoch: int, first: int = 0) -> list[list[int]]:
    return [labels.tolist() for _, labels in of.epoch(epoch, first)]


def numbered(count: int) -> LabelledImages:
    images = labelled(count, seed=1)
    return LabelledImages(images.images, np.arange(count))


@pytest.mark.parametrize(
    ("images", "batch_size", "steps"),
    [(54_000, 128, 421), (2_048, 128, 16), (2_047, 64, 31), (450, 16, 28), (78, 16, 16), (13, 13, 16), (5, 5, 16)],
)
def test_the_batch_size_follows_the_data(images: int, batch_size: int, steps: int) -> None:
    """An epoch has at least 16 steps, and a step not more than 128 images."""
    assert plan_epoch(images, None) == Epoch(batch_size, steps)


def test_a_batch_size_that_is_given_stays() -> None:
    """But for data that are smaller; the epoch has enough steps all the same."""
    assert plan_epoch(1_000, 32) == Epoch(32, 31)
    assert plan_epoch(90, 128) == Epoch(90, 16)
    assert plan_epoch(90, None, processes=4) == Epoch(64, 16)


def test_an_epoch_of_few_images_shows_each_equally_often() -> None:
    """Sixteen steps of eight are four passes over 32 images, one after the other."""
    shown = list(chain.from_iterable(seen(batches(numbered(32)), 1)))
    passes = [shown[start : start + 32] for start in range(0, 128, 32)]
    assert all(sorted(each) == list(range(32)) for each in passes)
    assert passes[0] != passes[1]


def test_an_epoch_shows_every_image_once_in_an_order_of_its_own() -> None:
    """Another epoch has another order; the same epoch the same."""
    one, again, two = (seen(batches(numbered(128)), epoch) for epoch in (1, 1, 2))
    assert sorted(chain.from_iterable(one)) == list(range(128))
    assert one == again != two


def test_an_epoch_can_be_entered_in_the_middle() -> None:
    """The batches that are left are the ones that an uninterrupted run would have seen."""
    assert seen(batches(numbered(32)), 1, first=2) == seen(batches(numbered(32)), 1)[2:]


def test_processes_share_each_batch() -> None:
    """Together they see what one would."""
    alone = seen(batches(numbered(32)), 1)
    shares = [seen(batches(numbered(32), Device(torch.device("cpu"), rank, 2)), 1) for rank in (0, 1)]
    assert [sorted(a + b) for a, b in zip(*shares, strict=True)] == [sorted(batch) for batch in alone]


def test_balance_shows_rare_classes_as_often_as_common_ones() -> None:
    """One class in ten becomes about one in two."""
    images = labelled(800, seed=1)
    uneven = LabelledImages(images.images, (np.arange(800) % 10 == 0).astype(np.int64))
    rare = np.mean(list(chain.from_iterable(seen(batches(uneven, balance=True), 1))))
    assert 0.4 < rare < 0.6
