"""A bundle of an untrained network on striped images, and its graph."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from models.contract import Bundle, Calibration, Manifest, Metrics, Precision, Variant, read_bundle
from tests.training.conftest import LABELS, Exported, striped
from training.bundle import MODEL, list_files, new_bundle, write_manifest
from training.golden import encode, write_golden
from training.model_card import model_card
from training.provenance import provenance
from training.report.graph import Graph

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
            golden = write_golden(folder, images, exported.network, exported.target, exported.how)
            metrics = Metrics(measured=True, source="stripes", images=80, top1=0.75)
            manifest = Manifest(
                name="stripes",
                version=1,
                description="Where the stripe lies.",
                architecture="SmallResNet",
                parameters=1,
                labels=labels,
                input=exported.target,
                preprocessing=exported.how,
                files=list_files(folder),
                variants=(Variant(precision=Precision.FP32, path=MODEL, metrics=metrics),),
                class_map=True,
                calibration=Calibration(temperature=1.5, fitted_on=None, note="None was at hand."),
                golden=golden,
                provenance=provenance(dataset="stripes", licence="CC0", notes=("Only <b>stripes</b>.",)),
            )
            write_manifest(folder, manifest, model_card(manifest))
        return read_bundle(tmp_path / "models" / "stripes" / "1")

    return make


@pytest.fixture(scope="session")
def graph(exported: Exported) -> Graph:
    return Graph(exported.path)
