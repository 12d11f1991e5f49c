"""What the commands are tried on."""

from pathlib import Path

import pytest

from models.contract import Task
from tests.support.bundles import write_bundle
from tests.support.pictures import BLUE, GREEN, RED, picture


@pytest.fixture(scope="package")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="package")
def familiar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a bundle with an energy threshold, to which black is unfamiliar."""
    return write_bundle(tmp_path_factory.mktemp("models"), energy_threshold=-8)


@pytest.fixture(scope="package")
def tags(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a multilabel bundle; green is present from a probability of 0.9 on, red and blue from 0.5 on."""
    return write_bundle(tmp_path_factory.mktemp("models"), task=Task.MULTILABEL, thresholds=(0.5, 0.9, 0.5))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three pictures in two folders, and a text file."""
    folder = tmp_path / "photos"
    (folder / "deeper").mkdir(parents=True)
    (folder / "a.png").write_bytes(picture(RED))
    (folder / "b.JPG").write_bytes(picture(GREEN, image_format="JPEG"))
    (folder / "deeper" / "c.webp").write_bytes(picture(BLUE, image_format="WEBP"))
    (folder / "notes.txt").write_text("not a picture")
    return folder
