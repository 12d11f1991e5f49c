"""Graphs that scale their pixels in different ways, and images for them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn

from models.contract import Colour, Input, Pixels
from training.evaluation.agreement import Rows
from training.evaluation.onnx_session import predict
from training.export.onnx_export import export
from training.importing.fixed_images import fixed_images
from training.networks.exported_module import ExportedModule, Scaling
from training.networks.flip_average import flip_averaged
from training.networks.network import Network
from training.optimize.quantization import Quantizer

SIDE = 20


SCALINGS = {
    "one whole mean": Scaling((127.0,) * 3, (128.0,) * 3),
    "black is zero": Scaling((0.0,) * 3, (255.0,) * 3),
    "one mean between pixels": Scaling((127.5,) * 3, (127.5,) * 3),
    "a mean for each channel": Scaling((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
    "means far apart": Scaling((10.0, 128.0, 250.0), (20.0, 60.0, 90.0)),
    "grey": Scaling((73.6371,), (90.106,)),
}


FLOAT_STEPS = {"Cast", "Sub", "Mul", "BatchNormalization"}


@dataclass(frozen=True)
class Case:
    """A graph of two convolutions that see padding, and images for it."""

    path: Path
    images: Pixels
    int8: Path
    quantizer: Quantizer

    def model(self) -> onnx.ModelProto:
        return onnx.load(self.path)


def body(channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, 8, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1),
        nn.ReLU(),
    )


def exported(folder: Path, scaling: Scaling, *, mirror: bool = False) -> Case:
    """An untrained network whose norms have seen some pixels."""
    torch.manual_seed(0)
    channels = len(scaling.mean)
    network = Network(body(channels), nn.Linear(8, 5), pooled=True)
    images = np.random.default_rng(1).integers(0, 256, (24, SIDE, SIDE, channels), dtype=np.uint8)
    served = ExportedModule(flip_averaged(network) if mirror else network, scaling)
    network.train()(((torch.from_numpy(images).permute(0, 3, 1, 2) - served.mean) * served.factor).contiguous())
    target = Input(colour=Colour.RGB if channels == 3 else Colour.L, height=SIDE, width=SIDE)
    export(served.eval(), target, folder / "model.onnx")
    images = np.concatenate((images, fixed_images(target)))
    quantizer = Quantizer(folder / "model.onnx", images, folder, print)
    quantizer.quantize(quantizer.layers, folder / "int8.onnx")
    return Case(folder / "model.onnx", images, folder / "int8.onnx", quantizer)


def run(model: onnx.ModelProto, images: Pixels) -> Rows:
    return predict(onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]), images)


def operators(model: onnx.ModelProto) -> set[str]:
    return {node.op_type for node in model.graph.node}
