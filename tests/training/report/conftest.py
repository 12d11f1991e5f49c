"""A bundle of an untrained network on striped images, and its graph."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from models.contract import Bundle, read_bundle
from tests.training.conftest import LABELS, Exported, striped
from tests.training.stripes import stripes_manifest
from training.importing.bundle_writer import MODEL, new_bundle, write_manifest
from training.importing.golden_images import encode, write_golden
from training.importing.provenance import provenance
from training.model_card.model_card import model_card

MakeBundle = Callable[..., Bundle]


@pytest.fixture
def make_bundle(exported: Exported, tmp_path: Path) -> MakeBundle:
    """`stripes/1` with labels of one's own."""

    def make(labels: tuple[str, ...] = LABELS) -> Bundle:
        with new_bundle(tmp_path / "models", "stripes", 1) as folder:
            shutil.copy(exported.path, folder / MODEL)
            images = [
                encode(Image.fromarray(image), f"{n}.png", "PNG") for n, image in enumerate(striped(2, seed=0)[0])
            ]
            golden = write_golden(folder, images, exported.network.classify, exported.target, exported.preprocessing)
            notes = provenance(dataset="stripes", licence="CC0", notes=("Only <b>stripes</b>.",))
            facts = {"labels": labels, "provenance": notes}
            manifest = stripes_manifest(folder, golden, exported.target, exported.preprocessing, **facts)
            write_manifest(folder, manifest, model_card(manifest))
        return read_bundle(tmp_path / "models" / "stripes" / "1")

    return make
