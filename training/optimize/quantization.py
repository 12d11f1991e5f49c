"""Quantization to int8 with onnxruntime: weights per channel, activations by the ranges of calibration images."""

import logging
import math
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from models.contract import INPUT, Pixels
from training.onnx_graph.batchnorm_folding import fold_batch_norms
from training.onnx_graph.layers import WEIGHTED, Layer, find_layers
from training.optimize.activation_ranges import narrow_ranges
from training.optimize.quantized_input import quantize_input
from training.optimize.weight_rounding import Log, round_weights

_QUANTIZED = [*WEIGHTED, "Add", "Relu", "Clip", "MaxPool"]
_BATCH = 32
_ROUNDING_IMAGES = 96
"""Limit of the images that the weights are rounded with."""


class Quantizer:
    """Quantizes any selection of the layers of one graph; weights are rounded and ranges measured once."""

    def __init__(self, model: Path, calibration: Pixels, workspace: Path, log: Log) -> None:
        """Prepare the graph, round its weights and measure the ranges.

        calibration: uint8 [N, H, W, C]; workspace: folder for files that are needed as long as this object.
        """
        self._prepared, self._ranges = workspace / "prepared.onnx", workspace / "ranges.json"
        # Optimization would duplicate the weights that head and class map share. Symbolic shape inference is made for
        # transformers and fails on convolutions of free height and width; ONNX's own works.
        quant_pre_process(model, self._prepared, skip_optimization=True, skip_symbolic_shape=True)
        prepared = onnx.load(self._prepared)
        fold_batch_norms(prepared)
        self._pixels = quantize_input(prepared)
        step = math.ceil(len(calibration) / _ROUNDING_IMAGES)
        round_weights(prepared, calibration[::step], log)
        onnx.save(prepared, self._prepared)
        self.layers = find_layers(prepared)
        self._eligible = [node.name for node in prepared.graph.node if node.op_type in _QUANTIZED[:-1]]
        self._quantize(self.layers, workspace / "all.onnx", _Batches(calibration))
        narrow_ranges(self._ranges, prepared, calibration[::step])

    def quantize(self, layers: Collection[Layer], path: Path) -> None:
        """Write the graph to `path` with only `layers` in int8; the uint8 input, head and softmax are unchanged."""
        self._quantize(layers, path, None)

    def _quantize(self, layers: Collection[Layer], path: Path, batches: "_Batches | None") -> None:
        chosen = {node for layer in layers for node in layer.nodes}
        with _silent():
            quantize_static(
                self._prepared,
                path,
                batches,
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=_QUANTIZED,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                nodes_to_exclude=[name for name in self._eligible if name not in chosen],
                extra_options={"MatMulConstBOnly": True} | self._overrides(),
                calibration_cache_path=self._ranges,
            )
        if self._pixels is not None:
            quantized = onnx.load(path)
            self._pixels.remove_float_scaling(quantized)
            onnx.save(quantized, path)

    def _overrides(self) -> dict[str, object]:
        return {} if self._pixels is None else {"TensorQuantOverrides": self._pixels.overrides()}


class _Batches(CalibrationDataReader):  # type: ignore[misc]
    """Calibration images in batches."""

    def __init__(self, images: Pixels) -> None:
        self._batches: Iterator[NDArray[np.uint8]] = (
            images[start : start + _BATCH] for start in range(0, len(images), _BATCH)
        )

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        batch = next(self._batches, None)
        return None if batch is None else {INPUT: batch}


class _silent:  # noqa: N801 - reads like contextlib's
    """Context manager that silences onnxruntime's advice on pre-processing, which was followed."""

    def __enter__(self) -> None:
        self._before = logging.root.manager.disable
        logging.disable(logging.WARNING)

    def __exit__(self, *_: object) -> None:
        logging.disable(self._before)
