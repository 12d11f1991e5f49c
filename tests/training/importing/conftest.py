"""A whole bundle of striped images."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.training.conftest import Exported, striped
from tests.training.stripes import stripes_manifest
from training.importing.bundle_writer import MODEL, new_bundle, write_manifest
from training.importing.golden_images import encode, write_golden
from training.model_card.model_card import model_card

Fill = Callable[[Path], object]


def make(repository: Path, *steps: Fill, overwrite: bool = False) -> None:
    """`stripes/1`, by doing `steps` to its folder before it is published."""
    with new_bundle(repository, "stripes", 1, overwrite=overwrite) as folder:
        for step in steps:
            step(folder)


@pytest.fixture
def fill(exported: Exported) -> Fill:
    """Fills the folder of `stripes/1` with a whole bundle."""

    def write(folder: Path) -> None:
        shutil.copy(exported.path, folder / MODEL)
        images = [Image.fromarray(image) for image in striped(2, seed=0)[0]]
        golden_images = [encode(images[0], "0.png", "PNG"), encode(images[1], "1.jpg", "JPEG")]
        golden = write_golden(folder, golden_images, exported.network.classify, exported.target, exported.preprocessing)
        manifest = stripes_manifest(folder, golden, exported.target, exported.preprocessing)
        write_manifest(folder, manifest, model_card(manifest, np.eye(4, dtype=np.int64) * 20))

    return write
