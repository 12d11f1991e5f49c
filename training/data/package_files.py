"""Files of installed packages, read without importing the packages."""

from importlib.metadata import PackageNotFoundError, files
from pathlib import PurePosixPath

from training.errors import DatasetError, MissingPackageError


def read_package_file(package: str, path: str) -> bytes:
    """Return the file at `path`, relative to the folder of installed packages, such as `sklearn/__init__.py`.

    package: name on PyPI. Raises DatasetError when the package, or its version, does not have the file.
    """
    try:
        found = [file for file in files(package) or () if file == PurePosixPath(path)]
    except PackageNotFoundError as error:
        raise MissingPackageError(f"{PurePosixPath(path).name} is part of the package", package) from error
    if not found:
        raise DatasetError(f"this version of {package} has no file {path}")
    return found[0].read_binary()
