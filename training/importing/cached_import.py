"""Imports of ONNX files into a cache folder, each found again by the content of its files and the options."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

import onnx
from onnx.external_data_helper import ExternalDataInfo, uses_external_data

from models.contract import BundleError, read_bundle, sha256_of
from training.data.model_name import valid_name
from training.errors import BundleExistsError
from training.importing.config_files import config_paths
from training.importing.guesses import Report
from training.importing.import_onnx import ImportedBundle, OnnxOptions, import_onnx
from training.importing.onnx_file import require_file

_FORMAT = 1
"""Number of the way to import; a new one where the same file and options give another bundle."""
_VERSION = 1


@dataclass(frozen=True)
class CachedBundle:
    """A bundle in the cache. repository: folder that holds this bundle alone. made: None where it was there already."""

    repository: Path
    name: str
    made: ImportedBundle | None


def cached_import(path: Path, cache: Path, options: OnnxOptions, report: Report) -> CachedBundle:
    """Return the bundle of an ONNX file, imported into a folder under `cache` unless it is there.

    It is the same as long as the file, its external weights, the files of the options and those beside it have the same
    content, and the options and the version of Snellen are the same. A damaged bundle is imported again. The name is
    `model_name(path)`. report: called with each fact about a file that is imported.
    Raises TrainingError for a file or options that no bundle can be made of, and OSError for a folder that cannot be
    written.
    """
    require_file(path)
    name = model_name(path)
    repository = cache / _key(path, name, options)
    folder = repository / name / str(_VERSION)
    if _is_whole(folder):
        return CachedBundle(repository, name, None)
    try:
        made = import_onnx(path, repository, name, _VERSION, options, report, overwrite=folder.exists())
    except BundleExistsError:  # another process has made it meanwhile, and may serve it already
        made = None
    return CachedBundle(repository, name, made)


def model_name(path: Path) -> str:
    """Return the name of a file without its suffix as a valid name of a model; `model` where no character is left."""
    return valid_name(path.stem) or "model"


def _is_whole(folder: Path) -> bool:
    try:
        read_bundle(folder).check_files()
    except BundleError:
        return False
    return True


def _key(path: Path, name: str, options: OnnxOptions) -> str:
    """Return the name of a folder for all that a bundle depends on."""
    given = {field.name: getattr(options, field.name) for field in fields(options)}
    facts = {
        "format": _FORMAT,
        "snellen": version("snellen"),
        "name": name,
        "files": [_content(each) for each in (path, *_weights(path), *config_paths(path))],
        "options": {
            key: [value.suffix.lower(), _content(value)] if isinstance(value, Path) else value
            for key, value in given.items()
        },
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def _content(path: Path | None) -> str | None:
    """Return the hash of a file; None where there is none, which the import refuses or does without."""
    return sha256_of(path) if path is not None and path.is_file() else None


def _weights(path: Path) -> Iterator[Path]:
    """Yield the files that hold weights of the graph; none for a file that cannot be read, which the import refuses."""
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception:  # protobuf, onnx and the file system have no common base
        return
    outside = [tensor for tensor in _tensors(model) if uses_external_data(tensor)]
    for location in sorted({ExternalDataInfo(tensor).location for tensor in outside}):
        yield path.parent / location


def _tensors(message: Any) -> Iterator[onnx.TensorProto]:
    """Yield the tensors in a protobuf message: weights, and constants that are attributes of nodes."""
    if isinstance(message, onnx.TensorProto):
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for each in (value,) if hasattr(value, "ListFields") else value:
                yield from _tensors(each)
