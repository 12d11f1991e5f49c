"""A network with published weights, and everything that its bundle says about it."""

from collections.abc import Callable
from dataclasses import dataclass

from models.contract import Input, Preprocessing, Scores
from training.importing.golden_photos import Photos
from training.networks.exported_module import ExportedModule


@dataclass(frozen=True)
class PublishedNetwork:
    """`load` and `labels` read files, and are called after `packages` are known to be installed."""

    name: str
    architecture: str
    description: str
    load: Callable[[], ExportedModule]
    labels: Callable[[], tuple[str, ...]]
    target: Input
    preprocessing: Preprocessing
    metrics: Scores
    dataset: str
    licence: str
    notes: tuple[str, ...]
    photos: Photos
    packages: tuple[str, ...]
