"""The network of an ONNX file as it is, fed with pixels that numpy has scaled: what the bundle has to reproduce."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.contract import Pixels
from training.errors import OnnxImportError
from training.importing.network_input import Layout, NetworkInput
from training.importing.normalization import ChannelOrder, Normalization
from training.importing.onnx_file import load_session, one_line

Floats = NDArray[np.float32]
_FLOATS = ("tensor(float)", "tensor(float16)", "tensor(double)")


class OriginalGraph:
    """A session of the file. Raises OnnxImportError where onnxruntime cannot load or run it."""

    def __init__(self, path: Path) -> None:
        self._session = load_session(path, str(path))
        outputs = self._session.get_outputs()
        self.other_outputs = tuple(f"{value.name} {value.type}" for value in outputs if value.type not in _FLOATS)
        self.names = tuple(value.name for value in outputs if value.type in _FLOATS)

    def run(self, values: NDArray[np.generic]) -> dict[str, Floats]:
        """Return the outputs that are floating-point tensors, as float32, for the values of one image."""
        if not self.names:  # for onnxruntime, no name is all of them
            return {}
        try:
            outputs = self._session.run(list(self.names), {self._session.get_inputs()[0].name: values})
        except Exception as error:
            raise OnnxImportError(f"onnxruntime cannot run an image through the network: {one_line(error)}") from error
        return {name: np.asarray(value, np.float32) for name, value in zip(self.names, outputs, strict=True)}


def network_values(images: Pixels, network_input: NetworkInput, normalization: Normalization) -> NDArray[np.generic]:
    """Return what the network takes, for uint8 [N, H, W, C]: colour order, scaling and layout, in numpy alone."""
    ordered = images[..., ::-1] if normalization.order is ChannelOrder.BGR else images
    scaled = (ordered.astype(np.float64) - np.array(normalization.mean)) / np.array(normalization.std)
    planes = scaled.transpose(0, 3, 1, 2) if network_input.layout is Layout.NCHW else scaled
    return np.ascontiguousarray(planes.astype(network_input.kind))
