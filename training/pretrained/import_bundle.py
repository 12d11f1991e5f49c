"""Published weights -> bundle; published numbers are quoted as such."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from models.contract import Calibration, Manifest, Precision, Variant
from training.errors import MissingPackageError, TrainingError
from training.export.onnx_export import LIBRARIES, export
from training.importing.bundle_writer import MODEL, NOT_FITTED, list_files, new_bundle, next_version, write_manifest
from training.importing.golden_images import GoldenImage, write_golden
from training.importing.guesses import Guess, Report
from training.importing.import_options import ImportOptions
from training.importing.preset_trials import Top, top_classes
from training.importing.provenance import provenance
from training.importing.user_photos import golden_photos, read_photo
from training.model_card.model_card import model_card
from training.networks.exported_module import ExportedModule
from training.networks.network import count_parameters
from training.networks.registry import TIMM
from training.pretrained.efficientnet_lite import EFFICIENTNET_LITE0
from training.pretrained.source import PublishedNetwork
from training.pretrained.timm_weights import published_timm_network
from training.pretrained.torchvision_weights import published_torchvision_network

NETWORKS = {"efficientnet-lite0": EFFICIENTNET_LITE0}
"""Networks with a name of their own; besides them there are `timm/<model>` and `torchvision/<model>`."""
_LIBRARIES = {TIMM: published_timm_network, "torchvision/": published_torchvision_network}


@dataclass(frozen=True)
class PretrainedBundle:
    """A new bundle. top: the best labels for the photo to check."""

    folder: Path
    top: Top


def import_pretrained(
    source: str,
    repository: Path,
    name: str | None,
    version_number: int | None,
    options: ImportOptions,
    report: Report,
    *,
    weights: Path | None = None,
    overwrite: bool = False,
) -> PretrainedBundle:
    """Make a bundle of the network `source`, under the network's own name unless `name` is given.

    version_number: None for the next free one. report: called with each fact that is found out or assumed.

    Raises TrainingError, which names the missing package, file or connection, or the fault.
    """
    guesses = list[Guess]()

    def note(guess: Guess) -> None:
        guesses.append(guess)
        report(guess)

    chosen = _find(source, weights, options, note)
    _require_packages((*chosen.packages, *([] if options.golden else [chosen.photos.package])))
    golden = None
    if options.golden is not None:
        golden = golden_photos(options.golden, chosen.target, chosen.preprocessing, note)
    photo = None if options.check is None else read_photo(options.check, chosen.target, chosen.preprocessing)
    name = name or chosen.name
    version_number = version_number or next_version(repository / name)
    with new_bundle(repository, name, version_number, overwrite=overwrite) as folder:
        network = chosen.load()
        manifest = _fill(folder, chosen, network, name, version_number, guesses, golden)
        top = () if photo is None else top_classes(network.classify(photo), manifest.labels)
        write_manifest(folder, manifest, model_card(manifest))
    return PretrainedBundle(repository / name / str(version_number), top)


def _find(source: str, weights: Path | None, options: ImportOptions, report: Report) -> PublishedNetwork:
    for library, find in _LIBRARIES.items():
        if source.startswith(library):
            return find(source.removeprefix(library), weights, options, report)
    if source not in NETWORKS:
        raise TrainingError(
            f"there is no network {source!r} to import; there is: {', '.join(NETWORKS)}, timm/<model>, "
            "torchvision/<model> and .onnx files"
        )
    if weights or options.labels:
        raise TrainingError(f"{source} brings weights and labels with it: leave out --weights and --labels")
    return NETWORKS[source]


def _fill(
    folder: Path,
    chosen: PublishedNetwork,
    network: ExportedModule,
    name: str,
    version_number: int,
    guesses: Sequence[Guess],
    photos: tuple[tuple[GoldenImage, ...], tuple[str, ...]] | None,
) -> Manifest:
    """Write everything but the manifest and the card. Returns the manifest.

    photos: of the user for the golden images, with notes on them; None for those of the network.
    """
    dense = export(network, chosen.target, folder / MODEL)
    images, photo_notes = photos or (chosen.photos.read(), chosen.photos.notes)
    golden = write_golden(folder, images, network.classify, chosen.target, chosen.preprocessing)
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
            notes=(
                *chosen.notes,
                *(f"{guess.what}: {guess.value} ({guess.reason})" for guess in guesses),
                *photo_notes,
            ),
            libraries=(*LIBRARIES, *chosen.packages, *([] if photos else [chosen.photos.package])),
        ),
    )


def _require_packages(packages: Sequence[str]) -> None:
    for package in packages:
        try:
            version(package)
        except PackageNotFoundError as error:
            raise MissingPackageError("importing needs the package", package) from error
