"""Reads and checks a bundle on disk, `models/<name>/<version>/`. Never writes one."""

import contextlib
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from models.manifest import File, Manifest, Task
from models.preprocessing import Pixels, decode_golden
from models.variant import Precision, Variant

MANIFEST = "manifest.json"
_MAX_MANIFEST_BYTES = 32 * 1024 * 1024
"""Limit of a manifest, in bytes; that of a model with 21,843 classes has about 1 MiB."""
_SUM = 0.01
"""Allowed distance of the sum of the probabilities of a golden image from 1; those of sigmoids differ by more."""
Row = NDArray[np.float32]
_ROWS = TypeAdapter(dict[str, list[float]])


class BundleError(Exception):
    """The bundle cannot be trusted; the message says which of its files and why."""


@dataclass(frozen=True)
class Bundle:
    """A folder and its manifest.

    sha256: of the bytes of the manifest. They hold the hash of every other file, so it identifies the whole bundle.
    """

    path: Path
    manifest: Manifest
    sha256: str

    def file(self, relative: str) -> Path:
        return self.path / relative

    def model_path(self, precision: Precision) -> Path:
        """Return the ONNX file of a precision. Raises BundleError when the bundle has no such variant."""
        return self.file(self._variant(precision).path)

    def tolerance(self, precision: Precision = Precision.FP32) -> float:
        """Return the largest allowed absolute difference of any probability of a golden image.

        Raises BundleError when the bundle has no such variant.
        """
        return self._variant(precision).golden_tolerance or self.manifest.golden.tolerance

    def check_golden(
        self, predict: Callable[[Pixels], Row], precision: Precision = Precision.FP32, where: str = "onnxruntime"
    ) -> float:
        """Run the golden images of a variant through `predict` and return the largest difference of any probability.

        predict: uint8 [H, W, C] -> probabilities float32 [K], by the graph of this variant. where: runtime or device on
        which `predict` runs, for the error text.
        Raises BundleError above the tolerance, and for an image that cannot be read, decoded or run.
        """
        worst, allowed = 0.0, self.tolerance(precision)
        for path, difference in self._golden_differences(predict, where):
            if not difference <= allowed:  # `not <=` also catches NaN
                raise BundleError(
                    f"golden image {path}: a probability is off by {difference:.6f} on {where}, "
                    f"the manifest allows {allowed:g}: decoder, runtime or device compute differently"
                )
            worst = max(worst, difference)
        return worst

    def golden_difference(self, predict: Callable[[Pixels], Row]) -> float:
        """Return the largest difference without checking it, for a graph that is not in the bundle yet.

        NaN if an output holds NaN.
        """
        return float(np.max([difference for _, difference in self._golden_differences(predict, "onnxruntime")]))

    def golden(self) -> Iterator[tuple[str, bytes, Row]]:
        """Yield path, encoded bytes and expected probabilities float32 [K] of each golden image. Raises BundleError."""
        golden, classes = self.manifest.golden, len(self.manifest.labels)
        try:
            expected = _ROWS.validate_json(self._read(golden.probabilities))
        except ValidationError as error:
            raise BundleError(f"{golden.probabilities}: {_first(error)}") from error
        for path in golden.images:
            row = np.asarray(expected.get(path, ()), np.float32)
            if row.shape != (classes,):
                raise BundleError(f"{golden.probabilities} has no {classes} probabilities for {path}")
            if self.manifest.task is Task.SINGLE and not abs(total := float(row.sum(dtype=np.float64)) - 1) <= _SUM:
                raise BundleError(
                    f"{golden.probabilities}: the probabilities of {path} sum to {total + 1:.3g}, so that they are no "
                    "softmax, which the task single needs"
                )
            yield path, self._read(path), row

    def check_files(self, *, hashes: bool = True) -> None:
        """Check all files. Raises BundleError for the first that is missing or differs in size or hash.

        hashes: whether to compute them, which reads the whole files.
        """
        for file in self.manifest.files:
            try:
                self._check(file, hashes=hashes)
            except OSError as error:
                raise BundleError(f"{file.path} cannot be read: {error.strerror}") from error

    def _variant(self, precision: Precision) -> Variant:
        variant = self.manifest.variant(precision)
        if variant is None:
            raise BundleError(f"there is no {precision} variant")
        return variant

    def _golden_differences(self, predict: Callable[[Pixels], Row], where: str) -> Iterator[tuple[str, float]]:
        """Yield the path of each golden image and the largest difference of any of its probabilities."""
        for path, body, expected in list(self.golden()):
            row = self._golden_row(path, body, predict, where)
            if row.shape != expected.shape:
                raise BundleError(
                    f"golden image {path}: the graph returns probabilities of shape {list(row.shape)} on {where}, "
                    f"and the manifest names {len(expected)} labels"
                )
            yield path, float(np.abs(row - expected).max())

    def _golden_row(self, path: str, body: bytes, predict: Callable[[Pixels], Row], where: str) -> Row:
        try:
            pixels = decode_golden(body, self.manifest.input, self.manifest.preprocessing)
        except Exception as error:  # decoders raise many classes of exceptions
            raise BundleError(
                f"golden image {path} cannot be decoded as JPEG or PNG ({type(error).__name__})"
            ) from error
        try:
            return predict(pixels)
        except Exception as error:  # and so do runtimes: onnxruntime's have no common base
            raise BundleError(f"golden image {path} cannot be run on {where}: {error}") from error

    def _check(self, file: File, *, hashes: bool) -> None:
        path = self.file(file.path)
        if not path.is_file():
            raise BundleError(f"{file.path} is missing")
        if (size := path.stat().st_size) != file.bytes:
            raise BundleError(
                f"{file.path} differs from the size and sha256 in {MANIFEST}: it was changed or damaged, "
                f"{size} bytes instead of {file.bytes}"
            )
        if hashes and sha256_of(path) != file.sha256:
            raise BundleError(f"{file.path} differs from the sha256 in {MANIFEST}: it was changed or damaged")

    def _read(self, relative: str) -> bytes:
        try:
            return self.file(relative).read_bytes()
        except OSError as error:
            raise BundleError(f"{relative} cannot be read: {error.strerror}") from error


def sha256_of(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_bundle(path: Path) -> Bundle:
    """Read the manifest of the bundle in `path`. Hashes are checked by `Bundle.check_files`.

    A symbolic link counts by its own name, so that no bundle occurs twice under one name.
    Raises BundleError when there is no manifest, it does not fit the schema, or it names another version.
    """
    content = _read_manifest(path / MANIFEST)
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as error:
        raise BundleError(f"{MANIFEST}: {_first(error)}") from error
    folder = Path(os.path.abspath(path))  # not resolve(), which follows links
    if (folder.parent.name, folder.name) != (manifest.name, str(manifest.version)):
        raise BundleError(f"{MANIFEST} is of {manifest.name}/{manifest.version}, not of the folder it lies in")
    return Bundle(path, manifest, hashlib.sha256(content).hexdigest())


def _read_manifest(path: Path) -> bytes:
    """Return the content of a regular file, or of one that a link leads to. Raises BundleError."""
    try:
        with _opened(path) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise BundleError(f"{MANIFEST} is no regular file")
            if status.st_size > _MAX_MANIFEST_BYTES:
                raise BundleError(f"{MANIFEST} has {status.st_size} bytes; at most {_MAX_MANIFEST_BYTES} are read")
            return file.read(_MAX_MANIFEST_BYTES)
    except OSError as error:
        raise BundleError(f"{MANIFEST} cannot be read: {error.strerror}") from error


def read_start(path: Path, size: int) -> bytes:
    """Return the first `size` bytes of a file, fewer where it is shorter. Never waits. Raises OSError.

    A named pipe is read as an empty file while no writer has written to it.
    """
    with _opened(path) as file:
        return file.read(size) or b""  # None where the writer of a pipe has not written yet


def _opened(path: Path) -> BinaryIO:
    """Open a file to read it. With O_NONBLOCK, because opening a named pipe would wait for a writer.

    By an opener, so that the descriptor is closed where `open` refuses what it finds, which is so for a folder.
    """
    return open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))


def _first(error: ValidationError) -> str:
    """Return location and text of pydantic's first error."""
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"]) or "the document"
    return f"{place}: {first['msg']}"


def readable_bundles(repository: Path) -> Iterator[Bundle]:
    """Yield the bundles of `find_bundles` whose manifests can be read."""
    for path in find_bundles(repository):
        with contextlib.suppress(BundleError):
            yield read_bundle(path)


def passed_over(repository: Path) -> dict[str, str]:
    """Return the folders and ONNX files under `repository` that look like models but are not found, and why.

    Names are relative to `repository`. Hidden names and those with `_` at the start do not count. Files are looked for
    with `os.path`, which is false where a folder may not be entered and `Path` raises.
    """
    reasons = dict[str, str]()
    for model in _visible(repository, reasons, repository):
        if model.suffix == ".onnx":
            reasons[model.name] = "is an ONNX file, not a bundle: make one with snellen import"
        if not os.path.isdir(model):
            continue
        if os.path.exists(model / MANIFEST):
            reasons[model.name] = f"holds {MANIFEST} itself: a bundle is a folder below it, such as {model.name}/1"
            continue
        inside = [path for path in _visible(model, reasons, repository) if os.path.isdir(path)]
        for version in inside:
            name = f"{model.name}/{version.name}"
            if not version.name.isdecimal():
                reasons[name] = "is no version: the name of its folder is not a number such as 1"
            elif not os.path.exists(version / MANIFEST):
                reasons[name] = f"has no {MANIFEST} that can be read"
        if not inside and model.name not in reasons:
            reasons[model.name] = f"holds no version: a bundle is a folder such as {model.name}/1"
    return reasons


def _visible(folder: Path, reasons: dict[str, str], repository: Path) -> list[Path]:
    """Return the entries of a folder, sorted; record the reason where they cannot be listed."""
    try:
        return sorted(filter(_is_visible, folder.iterdir()))
    except OSError as error:
        reasons[str(folder.relative_to(repository))] = f"cannot be listed: {error.strerror}"
        return []


def _is_visible(path: Path) -> bool:
    return not path.name.startswith((".", "_"))


def find_bundles(repository: Path) -> list[Path]:
    """Return the folders `<name>/<version>` with a manifest under `repository`, sorted by name, then by version.

    Hidden names and those with `_` at the start do not count, so a model may be copied under such a name.
    """
    manifests = (path for path in repository.glob(f"*/*/{MANIFEST}") if _is_visible(path.parent.parent))
    found = [path.parent for path in manifests if path.parent.name.isdecimal()]
    return sorted(found, key=lambda path: (path.parent.name, int(path.name)))
