"""Reads the repository folder: which bundles it holds, what is passed over, and which default versions are wanted."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from models.contract import MANIFEST, Bundle, BundleError, find_bundles, passed_over, read_bundle, read_start

LATEST = "latest"
"""The wanted default version of a model whose folder does not say otherwise: the newest that is ready."""
DEFAULT_FILE = "default"
"""Name of the file in the folder of a model that says `latest` or the number of a version."""
_MOST_REASONS = 20
"""Folders that are named, with their reasons, where no bundle can be read."""
_MOST_DEFAULT_BYTES = 64
_MOST_SHOWN = 40
"""Characters of a file `default` that are shown where it holds something else."""


class RepositoryError(Exception):
    """The repository folder cannot be served. The message says what to change."""


@dataclass(frozen=True)
class FoundRepository:
    """What a repository folder holds.

    bundles: by name, as in `imagenet/1`. passed_over: what is not served, and why. broken: models with a version that
    cannot be read. wanted: by model, what its file `default` says, see `_wanted`.
    """

    bundles: Mapping[str, Bundle]
    passed_over: Mapping[str, str]
    broken: frozenset[str]
    wanted: Mapping[str, str]


def scan(repository: Path) -> FoundRepository:
    """Read the manifests of a repository folder. Raises RepositoryError where it cannot be listed.

    Names are unique: a bundle has the name of the folder that holds it.
    """
    if not os.path.isdir(repository):
        raise RepositoryError(f"there is no folder {repository}; name the folder of the bundles with --models")
    bundles, reasons, broken = dict[str, Bundle](), dict[str, str](), set[str]()
    for path in find_bundles(repository):
        try:
            bundle = read_bundle(path)
        except BundleError as error:
            reasons[_as_text(f"{path.parent.name}/{path.name}")] = str(error)
            broken.add(path.parent.name)
        else:
            bundles[f"{bundle.manifest.name}/{bundle.manifest.version}"] = bundle
    for name, reason in passed_over(repository).items():
        if name not in reasons:
            reasons[_as_text(name)] = reason
            if os.path.exists(repository / name / MANIFEST):  # false where the folder may not be entered
                broken.add(name.split("/")[0])
    models = {bundle.manifest.name for bundle in bundles.values()}
    wanted = {model: _wanted(repository / model / DEFAULT_FILE) for model in models}
    return FoundRepository(bundles, reasons, frozenset(broken), wanted)


def require_bundles(found: FoundRepository, repository: Path) -> None:
    """Raise RepositoryError, with the reason of each folder that was passed over, where there is no bundle."""
    if found.bundles:
        return
    reasons = [f"\n  {name}: {reason}" for name, reason in found.passed_over.items()]
    more = [f"\n  and {len(reasons) - _MOST_REASONS} more"] if len(reasons) > _MOST_REASONS else []
    raise RepositoryError(
        f"no bundle <name>/<version>/manifest.json can be read in {repository}; see --models"
        + "".join(reasons[:_MOST_REASONS] + more)
    )


def missing_part(bundle: Bundle) -> str | None:
    """Return which file of a bundle is not there in its whole length yet, as while a folder is copied; None if all are.

    A file that is longer than the manifest says is no part of this: it will not become right by waiting.
    """
    for file in bundle.manifest.files:
        try:
            there = os.stat(bundle.file(file.path)).st_size
        except FileNotFoundError:
            return f"{file.path} is missing"
        except OSError as error:
            return f"{file.path} cannot be read: {error.strerror}"
        if there < file.bytes:
            return f"{file.path} has {there:,} of {file.bytes:,} bytes"
    return None


def fingerprint(bundle: Bundle) -> object:
    """Return a value that differs when any file of a bundle was written or got other permissions; to compare only."""
    return bundle.sha256, tuple(_stat(bundle.file(file.path)) for file in bundle.manifest.files)


def _stat(path: Path) -> tuple[int, ...]:
    try:
        found = os.stat(path)
    except OSError:
        return ()
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def _wanted(path: Path) -> str:
    """Return what a file `default` says: `latest`, also where there is none, or the number of a version.

    For anything else, what is wrong with the file, as in "holds 'newest'". An empty file is wrong too: somebody may be
    about to write a number into it.
    """
    try:
        text = read_start(path, _MOST_DEFAULT_BYTES).decode(errors="replace").strip()
    except FileNotFoundError:
        return LATEST
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if text.isascii() and text.isdecimal():
        return str(int(text))
    if text == LATEST:
        return text
    return f"holds {text[:_MOST_SHOWN]!r}" if text else "is empty"


def _as_text(name: str) -> str:
    """Return the name of a folder as text for JSON. Bytes that are not UTF-8 become \\xNN."""
    return os.fsencode(name).decode(errors="backslashreplace")
