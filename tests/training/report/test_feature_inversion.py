"""Images made from the features of one layer."""

import numpy as np

from tests.training.conftest import Exported
from training.importing.fixed_images import fixed_images
from training.onnx_graph.graph import Graph
from training.onnx_graph.torch_replay import TorchReplay
from training.report.feature_inversion import invert


def test_inversion_comes_close_to_the_features_and_repeats_itself(graph: Graph, exported: Exported) -> None:
    """Much closer than the noise that it starts from; the same seed gives the same pixels."""
    image = fixed_images(exported.target)[3]
    features = TorchReplay(graph, graph.before_activation(graph.layers(image)[0]))
    first, again = (invert(features, image, seed=3, steps=40) for _ in range(2))
    assert first.distance[1] < 0.5 * first.distance[0]
    assert first.pixels.shape == image.shape
    np.testing.assert_array_equal(first.pixels, again.pixels)
