"""Class activation maps of the report."""

import numpy as np
import torch

from models.contract import CLASS_MAP, LOGITS
from tests.training.conftest import Exported
from training.importing.fixed_images import fixed_images
from training.onnx_graph.graph import Graph
from training.report.class_maps import positive_share


def test_the_class_map_explains_the_logits(graph: Graph, exported: Exported) -> None:
    """Its mean is the logit less the bias, and evidence peaks where it does, from 0 to 1."""
    maps, logits = graph.compute([CLASS_MAP, LOGITS], fixed_images(exported.target))
    bias = exported.network.network.head.bias
    assert isinstance(bias, torch.Tensor)
    np.testing.assert_allclose(maps.mean((2, 3)) + bias.detach().numpy(), logits, atol=1e-3)
    shown = positive_share(maps[2, 0])
    assert shown.min() >= 0
    if maps[2, 0].max() > 0:
        assert (shown.argmax(), shown.max()) == (maps[2, 0].argmax(), 1)
