"""A bundle of an untrained network on striped images, and its graph."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.contract import Bundle, read_bundle
from tests.training.conftest import LABELS, Exported, striped
from tests.training.stripes import stripes_manifest
from training.data.labelled_images import LabelledImages
from training.evaluation.evaluate import evaluate_bundle
from training.importing.bundle_writer import MODEL, new_bundle, write_manifest
from training.importing.golden_images import encode, write_golden
from training.importing.provenance import provenance
from training.model_card.model_card import model_card
from training.onnx_graph.graph import Graph
from training.report.inputs import LabelledData, ReportInputs, find_photos

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


@pytest.fixture
def inputs(make_bundle: MakeBundle, graph: Graph) -> ReportInputs:
    """Of `stripes/1`, with 24 labelled images and without a run."""
    bundle = make_bundle()
    pixels, labels = striped(24, seed=7)
    images = LabelledImages(pixels[..., None], labels.astype(np.int64))
    labelled = LabelledData(images, evaluate_bundle(bundle, images), "24 striped images")
    return ReportInputs(bundle, graph, find_photos(bundle, None), labelled, run=None, seed=0)
