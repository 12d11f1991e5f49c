"""Writing of a new bundle, whole or not at all: in a hidden folder, which is read back and only then renamed."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from models.contract import MANIFEST, File, Manifest, read_bundle, sha256_of
from training.errors import BundleExistsError, RepositoryError
from training.importing.golden_images import check_golden

MODEL = "model.onnx"
CARD = "MODEL_CARD.md"
NOT_FITTED = (
    "No held-out images were at hand, so no temperature was fitted (it stays 1) and there are no prediction "
    "sets: read the probabilities as the network's own, not as checked frequencies."
)
"""Note of the calibration of a bundle that was made without held-out images."""


def next_version(*folders: Path) -> int:
    """Return the number after the largest version in folders of a model; 1 without any. Folders may be missing."""
    inside = [path.name for folder in folders if folder.is_dir() for path in folder.iterdir()]
    return max((int(name) for name in inside if name.isdecimal()), default=0) + 1


def refuse_existing(repository: Path, name: str, version: int, *, overwrite: bool) -> Path:
    """Return the folder of the bundle. Raises BundleExistsError when it exists and may not be replaced."""
    destination = repository / name / str(version)
    if destination.exists() and not overwrite:
        raise BundleExistsError(
            f"{destination} exists: leave out --version to write {next_version(destination.parent)}, the next free "
            f"one, or replace it with --version {version} --overwrite"
        )
    return destination


@contextmanager
def new_bundle(repository: Path, name: str, version: int, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield an empty folder to fill, published as `repository/name/version` when the block ends without an error.

    An error leaves nothing behind, not even a new repository, and an existing bundle stays as it was.
    Raises BundleExistsError, and RepositoryError when no folder can be made in the repository.
    """
    destination = refuse_existing(repository, name, version, overwrite=overwrite)
    with _existing(repository), _staging(repository) as staging:
        folder = Path(staging, name, str(version))
        folder.mkdir(parents=True)
        yield folder
        _verify(folder)
        refuse_existing(repository, name, version, overwrite=overwrite)  # another process may have made it meanwhile
        _publish(folder, destination, Path(staging, "replaced"))


@contextmanager
def _existing(folder: Path) -> Iterator[None]:
    """Make the folder and those above it where they are missing; remove these again when the block ends in an error."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _not_writable(folder, error) from error
    try:
        yield
    except BaseException:
        with suppress(OSError):  # another process has put something into it
            for each in missing:
                each.rmdir()
        raise


def _staging(repository: Path) -> TemporaryDirectory[str]:
    """Return a new hidden folder in the repository. Raises RepositoryError."""
    try:
        return TemporaryDirectory(prefix=".new-bundle-", dir=repository)
    except OSError as error:
        raise _not_writable(repository, error) from error


def _not_writable(repository: Path, error: OSError) -> RepositoryError:
    return RepositoryError(
        f"no bundle can be written to the folder '{repository}': {error.strerror}; use one that this user may change"
    )


def write_manifest(folder: Path, manifest: Manifest, card: str) -> None:
    """Write the last files of a bundle. The card is for people and has no hash."""
    (folder / CARD).write_text(card, encoding="utf-8")
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")


def list_files(folder: Path) -> tuple[File, ...]:
    """Return the files in `folder` with sizes and hashes, sorted by path."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return tuple(
        File(path=path.relative_to(folder).as_posix(), sha256=sha256_of(path), bytes=path.stat().st_size)
        for path in paths
    )


def _verify(folder: Path) -> None:
    """Read the bundle as a server does: schema, hashes, golden images in a new session."""
    bundle = read_bundle(folder)
    bundle.check_files()
    check_golden(bundle)


def _publish(folder: Path, destination: Path, replaced: Path) -> None:
    destination.parent.mkdir(exist_ok=True)
    if destination.exists():
        destination.rename(replaced)
    folder.rename(destination)
    destination.chmod(0o755)
