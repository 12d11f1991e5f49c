"""The module that is exported."""

import numpy as np
import torch
from torch import nn

from tests.training.conftest import SIDE, untrained_module
from training.networks.exported_module import ExportedModule, Scaling
from training.networks.network import Network


def test_pixels_are_scaled_and_logits_divided_by_the_temperature() -> None:
    """A network that returns its two scaled channels shows both."""
    module = ExportedModule(
        Network(nn.Identity(), nn.Identity(), pooled=True), Scaling((100.0, 50.0), (10.0, 25.0)), temperature=2.0
    )
    probabilities, logits = module(torch.tensor([[[[110, 100]]]], dtype=torch.uint8))
    torch.testing.assert_close(logits, torch.tensor([[1.0, 2.0]]))
    torch.testing.assert_close(probabilities, torch.softmax(torch.tensor([[0.5, 1.0]]), dim=1))


def test_the_class_map_averages_to_the_logits_without_the_bias() -> None:
    """The mean over its positions, and the head's bias, are the logits."""
    module = untrained_module()
    images = torch.randint(0, 256, (2, SIDE, SIDE, 1), dtype=torch.uint8)
    with torch.inference_mode():
        _, logits, class_map = module(images)
    assert isinstance(module.network.head, nn.Linear)
    torch.testing.assert_close(class_map.mean((2, 3)) + module.network.head.bias, logits, atol=1e-4, rtol=1e-4)


def test_one_image_is_classified_as_in_a_batch() -> None:
    """As float32 [K], without a batch dimension."""
    module, images = untrained_module(), np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE, 1), np.uint8)
    with torch.inference_mode():
        expected = module(torch.from_numpy(images))[0].numpy()
    row = module.classify(images[1])
    assert (row.shape, row.dtype.name) == ((4,), "float32")
    np.testing.assert_allclose(row, expected[1], atol=1e-6)
