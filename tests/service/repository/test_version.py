"""One version of a model, from loading to its end."""

from pathlib import Path

import numpy as np
import pytest

from models.contract import Bundle, read_bundle
from service.errors import NotReady
from service.repository.version import ModelVersion
from service.types import ReadyPixels
from tests.support.bundles import write_bundle
from tests.support.deployments import registry_of
from tests.support.engines import GatedEngine


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return read_bundle(write_bundle(tmp_path, version=3))


def test_a_version_that_is_being_loaded_is_not_ready(bundle: Bundle) -> None:
    """The client may send the request again after a second."""
    with pytest.raises(NotReady, match="colours/3 is being loaded") as caught:
        ModelVersion(bundle).ready()
    assert caught.value.retry_after_s == 1


def test_a_rejected_version_is_not_ready_and_names_the_reason(bundle: Bundle) -> None:
    """Since it stays rejected until a restart, the client should wait for a minute."""
    with pytest.raises(NotReady, match="colours/3 was refused at load: a file is missing") as caught:
        ModelVersion(bundle, "failed", "a file is missing").ready()
    assert caught.value.retry_after_s == 60


def test_a_version_is_identified_by_name_and_manifest(bundle: Bundle, tmp_path: Path) -> None:
    """Two bundles of the same name and version with different manifests have different identities."""
    other = read_bundle(write_bundle(tmp_path / "other", version=3, temperature=2))
    one, another = ModelVersion(bundle), ModelVersion(other)
    assert one.name == another.name == "colours/3"
    assert one.labels == ("colours", "3")
    assert one.identity == f"colours/3@{bundle.sha256}"
    assert one.identity != another.identity


async def test_a_stopped_deployment_closes_its_engine_and_runs_nothing(bundle: Bundle, tmp_path: Path) -> None:
    """Images that arrive after `stop` get NotReady, from the batcher and from the dense queue."""
    engine = GatedEngine(provider="gated", classes=3)
    registry = registry_of(tmp_path, engine)
    await registry.load()
    serving = registry.find().ready()
    await serving.stop()
    assert engine.closed
    pixels = np.zeros(bundle.manifest.input.shape, np.uint8)
    with pytest.raises(NotReady, match="shutting down"):
        await serving.batcher.submit(ReadyPixels(pixels))
    with pytest.raises(NotReady, match="shutting down"):
        await serving.dense_queue.run(pixels)
