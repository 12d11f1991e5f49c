"""The order of an epoch."""

from itertools import chain

import numpy as np
import torch

from tests.training.loop.conftest import labelled
from training.data.class_balance import sampling_weights
from training.data.labelled_images import LabelledImages
from training.loop.batch_sampler import BatchSampler
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


def test_an_epoch_shows_every_image_once_in_an_order_of_its_own() -> None:
    """Another epoch has another order; the same epoch the same."""
    one, again, two = (seen(batches(numbered(32)), epoch) for epoch in (1, 1, 2))
    assert sorted(chain.from_iterable(one)) == list(range(32))
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
