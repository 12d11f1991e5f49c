"""Lone images on all cores: the same answers, and only where it can help."""

from pathlib import Path

import numpy as np
import pytest

from models.contract import read_bundle
from service.engine.tuning.autotune import autotune
from service.engine.tuning.candidates import TuningOptions
from service.engine.tuning.latency_session import add_latency_session
from service.engine.tuning.search import Tuned
from service.types import Batch

IMAGENET = Path("models/imagenet/1")


@pytest.fixture(scope="module")
def found() -> Tuned:
    return autotune(
        read_bundle(IMAGENET), TuningOptions(concurrency=1, threads_per_batch=1, max_batch_size=1, budget_s=0)
    )


def test_lone_images_have_the_answers_of_all(found: Tuned) -> None:
    """One image is not computed differently when its threads share the work."""
    profile = found.profile.model_copy(update={"alone_s": 0.003})
    add_latency_session(read_bundle(IMAGENET), found._replace(profile=profile), threads=2)
    assert found.engine.single_image_threads == 2
    images = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3), np.uint8)
    expected = found.engine.run(Batch(images)).probabilities
    for _ in range(3):
        answer = found.engine.run(Batch(images, only_request=True)).probabilities
        np.testing.assert_allclose(answer, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("threads", "alone_s"), [(1, 0.01), (2, 0.0029)])
def test_no_session_that_could_not_help(found: Tuned, threads: int, alone_s: float) -> None:
    """Of no more threads than the batches have, or for a network that takes less than 3 ms."""
    profile = found.profile.model_copy(update={"alone_s": alone_s})
    opened: list[object] = []
    engine = type("Engine", (), {"add_latency_session": opened.append})()
    add_latency_session(read_bundle(IMAGENET), Tuned(engine, profile, cached=False), threads)
    assert opened == []
