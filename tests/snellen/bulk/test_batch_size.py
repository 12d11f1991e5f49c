"""How many images run together."""

from pathlib import Path

import numpy as np
import pytest

from models.contract import read_bundle
from service.errors import EngineFailure
from service.types import Batch, Prediction
from snellen.bulk.batch_size import fastest_batch


class CostlyEngine:
    """Runs batches on a clock of its own: some seconds for each run, and some for each image."""

    def __init__(self, run_s: float, image_s: float) -> None:
        self.now = 0.0
        self.sizes = list[int]()
        self._run_s, self._image_s = run_s, image_s

    def run(self, batch: Batch) -> Prediction:
        self.now += self._run_s + self._image_s * len(batch.images)
        self.sizes.append(len(batch.images))
        return Prediction(np.zeros((len(batch.images), 3), np.float32))


@pytest.mark.parametrize(
    ("run_s", "image_s", "batch"), [(0.001, 0.001, 8), (0.0, 0.01, 1), (-0.001, 0.01, 1)], ids=["8", "same", "1"]
)
def test_a_batch_is_taken_where_it_is_faster(bundle: Path, run_s: float, image_s: float, batch: int) -> None:
    """Where it is the same, images run one by one."""
    engine = CostlyEngine(run_s, image_s)
    assert fastest_batch(engine, read_bundle(bundle).manifest, lambda: engine.now) == batch


def test_a_slow_network_is_measured_once(bundle: Path) -> None:
    """Since each round takes seconds."""
    engine = CostlyEngine(0.1, 1)
    fastest_batch(engine, read_bundle(bundle).manifest, lambda: engine.now)
    assert engine.sizes == [1, 8, *[1] * 8, 8]


def test_a_graph_of_single_images_is_not_measured(bundle: Path) -> None:
    """It takes no batches."""
    engine = CostlyEngine(1, 1)
    manifest = read_bundle(bundle).manifest.model_copy(update={"max_batch": 1})
    assert (fastest_batch(engine, manifest), engine.sizes) == (1, [])


def test_a_graph_that_fails_in_batches_runs_image_by_image(bundle: Path) -> None:
    """Its manifest may not say so."""

    class Single(CostlyEngine):
        def run(self, batch: Batch) -> Prediction:
            if len(batch.images) > 1:
                raise EngineFailure("one image at a time")
            return super().run(batch)

    assert fastest_batch(Single(1, 1), read_bundle(bundle).manifest) == 1
