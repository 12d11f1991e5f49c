"""Lone images on all cores: the same answers, and only where it can help."""

from pathlib import Path

import numpy as np
import pytest

from models.contract import read_bundle
from service.engine.tuning import latency_session
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
    """Whichever session is chosen."""
    add_latency_session(read_bundle(IMAGENET), found, threads=2)
    images = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3), np.uint8)
    expected = found.engine.run(Batch(images)).probabilities
    for _ in range(3):
        answer = found.engine.run(Batch(images, only_request=True)).probabilities
        np.testing.assert_allclose(answer, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("threads", "alone_s"), [(1, 0.01), (2, 0.0001)])
def test_no_session_that_could_not_help(found: Tuned, threads: int, alone_s: float) -> None:
    """Of no more threads than the batches have, or for a network that takes no time."""
    profile = found.profile.model_copy(update={"alone_s": alone_s})
    opened: list[object] = []
    engine = type("Engine", (), {"add_latency_session": opened.append})()
    add_latency_session(read_bundle(IMAGENET), Tuned(engine, profile, cached=False), threads)
    assert opened == []


@pytest.mark.parametrize(("min_gain", "kept"), [(0.0, 2), (1000.0, 1)])
def test_the_session_is_kept_where_it_is_faster(
    found: Tuned, monkeypatch: pytest.MonkeyPatch, min_gain: float, kept: int
) -> None:
    """Measured once, when it is opened; else its memory is given back."""
    monkeypatch.setattr(latency_session, "_MIN_GAIN", min_gain)
    found.engine._latency_session, found.engine.single_image_threads = None, 1
    add_latency_session(read_bundle(IMAGENET), found, threads=2)
    assert found.engine.single_image_threads == kept
    assert (found.engine._latency_session is not None) == (kept == 2)
