"""The images of a run and their scaling."""

import numpy as np
import torch

from tests.training.loop.conftest import CLASSES, training_data
from training.loop.training_data import logits_of, scaling_of
from training.networks.small_resnet import small_resnet


def test_the_scaling_is_mean_and_deviation_of_each_channel() -> None:
    """Over all images and pixels; a channel without any variation is not divided by zero."""
    images = np.zeros((2, 1, 2, 2), np.uint8)
    images[..., 0] = [[[10, 30]], [[10, 30]]]
    images[..., 1] = 7
    scaling = scaling_of(images)
    assert (list(scaling.mean), list(scaling.std)) == ([20.0, 7.0], [10.0, 1.0])


def test_logits_do_not_depend_on_the_batches_that_they_are_computed_in() -> None:
    """Every image gets the row that it gets alone, in evaluation mode and float32."""
    torch.manual_seed(0)
    data, network = training_data(16, validation=6), small_resnet(CLASSES).train()
    together = logits_of(network, data.validation.images, data.scaling)
    assert (together.shape, together.dtype.name) == ((6, CLASSES), "float32")
    for index in range(6):
        alone = logits_of(network, data.validation.images[index : index + 1], data.scaling)
        np.testing.assert_allclose(together[index : index + 1], alone, atol=1e-5)
