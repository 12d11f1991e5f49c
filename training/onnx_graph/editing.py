"""Changes to an ONNX graph in memory."""

from collections.abc import Collection

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

Array = NDArray[np.generic]


class GraphEditor:
    """Reads and changes the constants and nodes of one graph."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.graph = model.graph
        self._outputs = {output.name for output in self.graph.output}
        self._tensors = {tensor.name: tensor for tensor in self.graph.initializer}

    def constant(self, name: str) -> Array | None:
        """Return the values of an initializer, or None when `name` is none."""
        return numpy_helper.to_array(self._tensors[name]) if name in self._tensors else None

    def floats(self, name: str) -> NDArray[np.float64]:
        """Return the values of an initializer that is known to exist, as float64."""
        return numpy_helper.to_array(self._tensors[name]).astype(np.float64)

    def readers(self, name: str) -> list[onnx.NodeProto]:
        """Return the nodes that take the tensor as an input, in the order of the graph."""
        return [node for node in self.graph.node if name in node.input]

    def only_reader(self, name: str) -> onnx.NodeProto | None:
        """Return the only node that reads the tensor; None for several or no readers, or an output of the graph."""
        readers = self.readers(name)
        return readers[0] if len(readers) == 1 and name not in self._outputs else None

    def put(self, name: str, values: Array) -> str:
        """Set or add an initializer. Returns `name`."""
        tensor = numpy_helper.from_array(np.asarray(values), name)
        if name in self._tensors:
            self._tensors[name].CopyFrom(tensor)
            self.forget_shapes({name})
        else:
            self.graph.initializer.append(tensor)
            self._tensors[name] = self.graph.initializer[-1]
        return name

    def put_floats(self, name: str, values: NDArray[np.float64]) -> str:
        """Set or add an initializer of float32. Returns `name`."""
        return self.put(name, values.astype(np.float32))

    def remove(self, nodes: list[onnx.NodeProto]) -> None:
        """Remove these nodes from the graph."""
        for node in nodes:
            self.graph.node.remove(node)

    def put_first(self, nodes: list[onnx.NodeProto]) -> None:
        """Insert nodes before all others."""
        others = list(self.graph.node)
        del self.graph.node[:]
        self.graph.node.extend([*nodes, *others])

    def forget_shapes(self, names: Collection[str]) -> None:
        """Remove the recorded shapes of tensors whose shapes have changed."""
        kept = [value for value in self.graph.value_info if value.name not in names]
        del self.graph.value_info[:]
        self.graph.value_info.extend(kept)

    def drop_unused(self) -> None:
        """Remove constants that no node reads any more; onnxruntime warns of each."""
        used = {name for node in self.graph.node for name in node.input}
        kept = [tensor for tensor in self.graph.initializer if tensor.name in used]
        del self.graph.initializer[:]
        self.graph.initializer.extend(kept)
        self._tensors = {tensor.name: tensor for tensor in self.graph.initializer}
