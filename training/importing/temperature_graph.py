"""Another softmax temperature inside the graph of a bundle."""

import numpy as np
import onnx
from onnx import helper, numpy_helper

from models.contract import LOGITS, PROBABILITIES
from training.importing.tensor_names import keep_only, list_weights

_TEMPERATURE, _SCALED = "snellen_temperature", "snellen_scaled_logits"


def set_temperature(model: onnx.ModelProto, temperature: float) -> None:
    """Change a bundle's graph so that its probabilities are the softmax of logits / temperature; all else stays.

    The nodes between logits and probabilities, with an earlier temperature, are replaced. The graph needs opset 7 or
    later, in which Div broadcasts.
    """
    graph = model.graph
    keep_only(graph, {output.name for output in graph.output} - {PROBABILITIES})
    graph.initializer.append(numpy_helper.from_array(np.array(temperature, np.float32), _TEMPERATURE))
    list_weights(model)
    graph.node.extend(
        (
            helper.make_node("Div", [LOGITS, _TEMPERATURE], [_SCALED], name=_SCALED),
            helper.make_node("Softmax", [_SCALED], [PROBABILITIES], name=f"snellen_{PROBABILITIES}", axis=1),
        )
    )
    made = {name for node in graph.node for name in node.output} - {_SCALED}
    described = [value for value in graph.value_info if value.name in made]
    del graph.value_info[:]
    graph.value_info.extend(described)
