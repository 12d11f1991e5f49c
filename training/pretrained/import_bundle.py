"""Published weights -> bundle; published numbers are quoted as such."""

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from models.contract import Calibration, Manifest, Precision, Variant
from training.errors import MissingPackageError, TrainingError
from training.export.onnx_export import LIBRARIES, export
from training.importing.bundle_writer import MODEL, NOT_FITTED, list_files, new_bundle, next_version, write_manifest
from training.importing.golden_images import write_golden
from training.importing.provenance import provenance
from training.model_card.model_card import model_card
from training.networks.network import count_parameters
from training.networks.registry import TIMM
from training.pretrained.efficientnet_lite import EFFICIENTNET_LITE0
from training.pretrained.source import PublishedNetwork
from training.pretrained.timm_weights import published_timm_network

NETWORKS = {"efficientnet-lite0": EFFICIENTNET_LITE0}
"""Networks with a name of their own; besides them there is `timm/<model>`."""


def import_pretrained(
    source: str,
    repository: Path,
    name: str | None,
    version_number: int | None,
    *,
    weights: Path | None = None,
    labels: Path | None = None,
    overwrite: bool = False,
) -> Path:
    """Make a bundle of the network `source`, under the network's own name unless `name` is given.

    version_number: None for the next free one.

    Raises TrainingError, which names the missing package, file or connection, or the fault.
    """
    chosen = _find(source, weights, labels)
    _require_packages(chosen)
    name = name or chosen.name
    version_number = version_number or next_version(repository / name)
    with new_bundle(repository, name, version_number, overwrite=overwrite) as folder:
        manifest = _fill(folder, chosen, name, version_number)
        write_manifest(folder, manifest, model_card(manifest))
    return repository / name / str(version_number)


def _find(source: str, weights: Path | None, labels: Path | None) -> PublishedNetwork:
    if source.startswith(TIMM):
        return published_timm_network(source.removeprefix(TIMM), weights, labels)
    if source not in NETWORKS:
        raise TrainingError(f"there is no network {source!r} to import; there is: {', '.join(NETWORKS)}, timm/<model>")
    if weights or labels:
        raise TrainingError(f"{source} brings weights and labels with it: leave out --weights and --labels")
    return NETWORKS[source]


def _fill(folder: Path, chosen: PublishedNetwork, name: str, version_number: int) -> Manifest:
    """Write everything but the manifest and the card. Returns the manifest."""
    network = chosen.load()
    dense = export(network, chosen.target, folder / MODEL)
    golden = write_golden(folder, chosen.photos.read(), network.classify, chosen.target, chosen.preprocessing)
    return Manifest(
        name=name,
        version=version_number,
        description=chosen.description,
        architecture=chosen.architecture,
        parameters=count_parameters(network),
        labels=chosen.labels(),
        input=chosen.target,
        preprocessing=chosen.preprocessing,
        files=list_files(folder),
        variants=(Variant(precision=Precision.FP32, path=MODEL, metrics=chosen.metrics),),
        class_map=network.network.has_class_map,
        dense=dense,
        calibration=Calibration(temperature=1.0, fitted_on=None, note=NOT_FITTED),
        golden=golden,
        provenance=provenance(
            dataset=chosen.dataset,
            licence=chosen.licence,
            notes=(*chosen.notes, *chosen.photos.notes),
            libraries=(*LIBRARIES, *chosen.packages, chosen.photos.package),
        ),
    )


def _require_packages(chosen: PublishedNetwork) -> None:
    for package in (*chosen.packages, chosen.photos.package):
        try:
            version(package)
        except PackageNotFoundError as error:
            raise MissingPackageError("importing needs the package", package) from error
