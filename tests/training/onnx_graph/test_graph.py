"""Tensors inside an ONNX graph."""

import numpy as np
import torch

from tests.training.conftest import Exported
from training.importing.fixed_images import fixed_images
from training.onnx_graph.graph import Graph, spread


def test_the_penultimate_layer_is_what_the_last_linear_one_reads(graph: Graph, exported: Exported) -> None:
    """PyTorch's embedding of the same images."""
    images = fixed_images(exported.target)
    (found,) = graph.compute([graph.penultimate], images)
    served = exported.network
    with torch.inference_mode():
        pixels = torch.tensor(images).permute(0, 3, 1, 2).float()
        expected = served.network.embed((pixels - served.mean) * served.factor)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_layers_follow_the_network_and_end_at_the_last_maps(graph: Graph, exported: Exported) -> None:
    """From the first activation to the maps that are averaged, and nothing after them."""
    layers = graph.layers(fixed_images(exported.target)[2])
    assert (layers[0].shape, layers[-1].shape) == ((32, 16, 16), (128, 4, 4))
    assert layers[0].name.endswith("body.0.conv")
    last, averaged = graph.compute([layers[-1].tensor, graph.penultimate], fixed_images(exported.target))
    np.testing.assert_allclose(last.mean((2, 3)), averaged, atol=1e-4)
    assert [layer.tensor for layer in spread(layers, 2)] == [layers[0].tensor, layers[-1].tensor]
    assert spread(layers, 100) == layers
